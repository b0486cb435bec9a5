from dataclasses import replace
from typing import Final

import pytest

from tallystick.domain.deposits import Claim, Deposit, Payment
from tallystick.domain.money import DEFAULT_ASSETS, MAX_UNITS, Asset
from tallystick.domain.webhooks import Provider
from tallystick.services.deposits import Counter, DepositRequest, find_deposit, order
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import ScriptedGateway
from tests.support.scene import ADA, NOW_MS, USD, account, claim
from tests.support.tables import Ports

DEPOSIT: Final = Deposit(
    flow_id="dep_1",
    owner_id="ada",
    wallet_id="wal_a",
    provider=Provider.STRIPE,
    environment="test",
    asset=USD,
    expected="25.00",
    currency="USD",
    fingerprint="f",
    created_at_ms=NOW_MS,
    expires_at_ms=NOW_MS + 1000,
)
FULL: Final = replace(
    DEPOSIT,
    flow_id="dep_2",
    provider=Provider.MOONPAY,
    environment="live",
    asset=Asset("ÐOGE", 18, "crypto"),
    expected="9" * 36 + ".99",
    checkout_url="https://pay.example/größer?a=b&c=😀",
    instructions={"memo": "π\n😀", "address": "", "": "empty"},
    ready=True,
    pending=True,
    failure="Karte abgelehnt 😀",
    payments={"pi_1": Payment(MAX_UNITS, "wal_a"), "pi_2": Payment(MAX_UNITS - 1)},
    claims={
        "re_1": Claim("refund", MAX_UNITS, undone=True, covered=True, given_back_to="π"),
        "π": Claim("chargeback", 1),
    },
    owed_units=MAX_UNITS,
    references=("moonpay:größer", "moonpay:😀"),
)
"""Uses every member, with numbers of 38 digits."""


def following(flow: Deposit, **changes: object) -> Deposit:
    return replace(flow, version=flow.version + 1, **changes)  # type: ignore[arg-type] # any member


# Flows


def test_a_flow_that_does_not_exist_is_none(ports: Ports) -> None:
    assert ports.flows.get("dep_nowhere") is None


@pytest.mark.parametrize("flow", [DEPOSIT, FULL], ids=["plain", "full"])
def test_a_flow_is_stored_with_all_it_says(ports: Ports, flow: Deposit) -> None:
    assert ports.flows.create(flow) == flow == ports.flows.get(flow.flow_id)


def test_payments_keep_their_order_for_the_first_one_says_where_the_money_is(ports: Ports) -> None:
    payments = {"z": Payment(1, "suspense:USD"), "a": Payment(1, "wal_a"), "m": Payment(1, "wal_a")}
    ports.flows.create(replace(DEPOSIT, payments=payments))
    stored = find_deposit(ports.flows, "dep_1")
    assert stored is not None
    assert (list(stored.payments), stored.account_id) == (["z", "a", "m"], "suspense:USD")


def test_a_taken_id_answers_the_flow_that_stands_there(ports: Ports) -> None:
    ports.flows.create(DEPOSIT)
    other = replace(FULL, flow_id="dep_1")
    assert ports.flows.create(other) == DEPOSIT == ports.flows.get("dep_1")


def test_a_flow_is_saved_as_its_next_version(ports: Ports) -> None:
    ports.flows.create(DEPOSIT)
    second = following(DEPOSIT, pending=True)
    assert ports.flows.save(second)
    assert ports.flows.get("dep_1") == second
    assert ports.flows.save(following(second, failure="declined"))


@pytest.mark.parametrize("version", [0, 2, 3, -1])
def test_a_flow_that_changed_meanwhile_is_not_saved(ports: Ports, version: int) -> None:
    ports.flows.create(DEPOSIT)
    assert not ports.flows.save(replace(DEPOSIT, pending=True, version=version))
    assert ports.flows.get("dep_1") == DEPOSIT


def test_what_was_saved_is_not_saved_again(ports: Ports) -> None:
    ports.flows.create(DEPOSIT)
    second = following(DEPOSIT, pending=True)
    assert ports.flows.save(second)
    assert not ports.flows.save(second)


@pytest.mark.parametrize("version", [1, 2, -1])
def test_a_flow_that_does_not_exist_has_no_next_version(ports: Ports, version: int) -> None:
    assert not ports.flows.save(replace(DEPOSIT, version=version), ["stripe:pi_1"])
    assert (ports.flows.get("dep_1"), ports.flows.find("stripe:pi_1")) == (None, None)


def test_a_flow_may_begin_with_its_references(ports: Ports) -> None:
    assert ports.flows.save(DEPOSIT, ["stripe:pi_1"])
    assert (ports.flows.get("dep_1"), ports.flows.find("stripe:pi_1")) == (DEPOSIT, "dep_1")
    assert not ports.flows.save(replace(DEPOSIT, pending=True))


@pytest.mark.parametrize("flow_id", ["", "dep_" + "x" * 2048])
def test_what_cannot_be_a_key_is_found_as_little_as_what_does_not_exist(ports: Ports, flow_id: str) -> None:
    assert ports.flows.get(flow_id) is None
    assert ports.flows.find(flow_id) is None


# References


def test_a_reference_leads_to_its_flow(ports: Ports) -> None:
    ports.flows.create(DEPOSIT)
    assert ports.flows.find("stripe:pi_1") is None
    assert ports.flows.save(following(DEPOSIT), ["stripe:pi_1", "stripe:größer 😀"])
    assert ports.flows.find("stripe:pi_1") == ports.flows.find("stripe:größer 😀") == "dep_1"


def test_a_reference_may_be_told_again(ports: Ports) -> None:
    ports.flows.create(DEPOSIT)
    second, third = following(DEPOSIT), following(following(DEPOSIT))
    assert ports.flows.save(second, ["stripe:pi_1"])
    assert ports.flows.save(third, ["stripe:pi_1", "stripe:ch_1"])
    assert (ports.flows.get("dep_1"), ports.flows.find("stripe:ch_1")) == (third, "dep_1")


@pytest.mark.parametrize("references", [["stripe:pi_1"], ["stripe:ch_1", "stripe:pi_1"]])
def test_a_reference_of_another_flow_is_refused_with_all_that_came_with_it(ports: Ports, references: list[str]) -> None:
    for flow in (DEPOSIT, FULL):
        ports.flows.create(flow)
    ports.flows.save(following(DEPOSIT), ["stripe:pi_1"])
    assert not ports.flows.save(following(FULL), references)
    assert ports.flows.get("dep_2") == FULL
    assert (ports.flows.find("stripe:pi_1"), ports.flows.find("stripe:ch_1")) == ("dep_1", None)


def test_a_flow_that_changed_meanwhile_gets_no_reference(ports: Ports) -> None:
    ports.flows.create(DEPOSIT)
    assert not ports.flows.save(replace(DEPOSIT, version=2), ["stripe:pi_1"])
    assert ports.flows.find("stripe:pi_1") is None


def test_a_reference_is_no_flow_and_a_flow_no_reference(ports: Ports) -> None:
    ports.flows.create(DEPOSIT)
    ports.flows.save(following(DEPOSIT), ["stripe:pi_1"])
    assert ports.flows.get("stripe:pi_1") is None
    assert ports.flows.find("dep_1") is None


def test_the_id_of_another_flow_is_no_reference_to_one(ports: Ports) -> None:
    for flow in (DEPOSIT, FULL):
        ports.flows.create(flow)
    assert not ports.flows.save(following(DEPOSIT), ["dep_2"])
    assert (ports.flows.get("dep_1"), ports.flows.get("dep_2")) == (DEPOSIT, FULL)


# Orders


@pytest.mark.parametrize(
    ("provider", "asset", "currency"),
    [
        (Provider.STRIPE, "USD", "USD"),
        (Provider.STELLAR, "XLM", "XLM"),
        (Provider.STELLAR, "USDC", "USDC"),
        (Provider.MOONPAY, "ETH", "ETH"),
        (Provider.MOONPAY, "ETH", "USD"),
    ],
)
def test_an_order_goes_into_a_wallet_as_it_is_stored(
    ports: Ports, provider: Provider, asset: str, currency: str
) -> None:
    ports.wallets.create(account("wal_a", asset=DEFAULT_ASSETS[asset]))
    gateway = ScriptedGateway(FakeStore())
    deposit, _ = order(
        counter=Counter(ports.wallets, ports.flows, DEFAULT_ASSETS, provider, "test", gateway),
        caller=ADA,
        claim=claim(caller=ADA),
        request=DepositRequest("wal_a", "25", currency),
        now_ms=NOW_MS,
        expires_at_ms=NOW_MS + 1000,
    )
    assert ports.flows.get(deposit.flow_id) == deposit
    assert (deposit.asset.code, deposit.ready) == (asset, True)
