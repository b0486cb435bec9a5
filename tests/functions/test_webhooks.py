"""Let providers call, and others who say that they are providers."""

import io
import json
from collections.abc import Callable
from random import Random
from typing import Final

import pytest

from tallystick.adapters.providers.ramp.canonical import canonical
from tallystick.domain.webhooks import Forged, Provider
from tests.functions import cloud, providers
from tests.functions.deliveries import CASES, EVENT, FORGED, called, genuine, problem_of, sent, stored_as
from tests.functions.world import Clock, answer
from tests.support.moto import Snapshot
from tests.unit.webhooks.cases import Case

SPELLINGS: Final[tuple[Callable[[str], str], ...]] = (str.lower, str.title, str.upper)
FLIPS: Final = 50

pytestmark = pytest.mark.usefixtures("small_world", "when_cases_were_signed")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_gets_its_verdict_in_any_spelling_and_encoding(case: Case, log: io.StringIO) -> None:
    before = Snapshot.take()
    verdicts = {called(case, spell, encoded=encoded)["statusCode"] for spell in SPELLINGS for encoded in (False, True)}
    reasons = {json.loads(line).get("refused", "genuine") for line in log.getvalue().splitlines()}
    assert (verdicts, reasons) == ({200 if case.expected == "genuine" else 401}, {case.expected})
    if case.expected != "genuine":
        assert Snapshot.take().as_json() == before.as_json()
        assert cloud.queued() == []


def test_all_refusals_look_the_same(capsys: pytest.CaptureFixture[str], log: io.StringIO) -> None:
    answers = [called(case) for case in FORGED]
    assert len({json.dumps(answered, sort_keys=True) for answered in answers}) == 1
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    logged = [json.loads(line) for line in log.getvalue().splitlines()]
    expected = [(case.call.provider, case.expected) for case in FORGED]
    assert [(metric["provider"], metric["reason"]) for metric in metrics] == expected
    assert {tuple(metric["WebhookRefused"]) for metric in metrics} == {(1.0,)}
    assert [(line["provider"], line["refused"]) for line in logged] == expected
    for reason in {case.expected for case in FORGED}:
        assert reason not in json.dumps(answers[0])


def test_only_the_request_id_tells_refusals_apart() -> None:
    event = providers.call(Provider.STRIPE, EVENT, {})
    event["requestContext"]["requestId"] = "request-2"
    answered = answer("webhooks", event)
    other = answer("webhooks", providers.call(Provider.STRIPE, EVENT, {}))
    assert json.loads(json.dumps(answered).replace("request-2", "request-1")) == other


@pytest.mark.parametrize("provider", Provider)
def test_a_call_with_a_flipped_bit_is_refused(provider: Provider) -> None:
    case, chance = genuine(provider), Random(2026)  # noqa: S311 (the same bits each time)
    before = Snapshot.take()
    for _ in range(FLIPS):
        body = flipped(case.call.body, chance)
        if not means_the_same(provider, body, case.call.body):
            assert called(case, body=body, encoded=True)["statusCode"] == 401
        name = chance.choice([name for name in case.call.headers if name != "content-type"])
        value = flipped(case.call.headers[name].encode(), chance).decode("latin-1")
        assert called(case, headers={**case.call.headers, name: value})["statusCode"] == 401
    assert Snapshot.take().as_json() == before.as_json()


def flipped(text: bytes, chance: Random) -> bytes:
    """Flip one bit."""
    bit = chance.randrange(len(text) * 8)
    return bytes(byte ^ (1 << bit % 8) * (number == bit // 8) for number, byte in enumerate(text))


def means_the_same(provider: Provider, body: bytes, other: bytes) -> bool:
    """Tell whether Ramp signs two bodies alike, such as 1e-7 and 1E-7."""
    try:
        return provider is Provider.RAMP and canonical(body) == canonical(other)
    except Forged:
        return False


@pytest.mark.parametrize(
    ("source_ip", "status"),
    [
        ("52.31.139.75", 200),
        ("::ffff:52.31.139.75", 200),
        ("::FFFF:3.4.5.6", 401),
        ("2001:db8::7", 200),
        ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 200),
        ("2001:db9::", 401),
        ("52.31.139.76", 401),
        ("203.0.113.7", 401),
        ("52.31.139.75, 203.0.113.7", 401),
        ("052.31.139.75", 401),
        ("nowhere", 401),
    ],
)
def test_only_allowed_addresses_may_call(source_ip: str, status: int, log: io.StringIO) -> None:
    case = genuine(Provider.PAYSTACK)
    headers = {**case.call.headers, "x-forwarded-for": "52.31.139.75"}
    with cloud.watched() as calls:
        assert called(case, headers=headers, source_ip=source_ip)["statusCode"] == status
    if status == 401:
        assert json.loads(log.getvalue())["refused"] == "address"
        assert calls == []


def test_a_provider_that_is_not_configured_is_not_found(configure: Callable[..., None]) -> None:
    configure({Provider.STRIPE: None})
    assert problem_of(sent()) == (404, "not-found")


def test_the_public_address_is_what_is_signed(configure: Callable[..., None]) -> None:
    event = providers.signed(Provider.TRUELAYER, b"{}", providers.SIGNED_AT_MS)
    configure(TALLYSTICK_PUBLIC_URL="https://wallet.example.test/money/")
    assert answer("webhooks", event)["statusCode"] == 401
    event["rawPath"] = "/truelayer"
    configure(TALLYSTICK_PUBLIC_URL="https://wallet.example.test/webhooks")
    assert answer("webhooks", event)["statusCode"] == 200


def test_a_signature_header_that_was_sent_twice_is_refused() -> None:
    case = genuine(Provider.STRIPE)
    (value,) = (value for name, value in case.call.headers.items() if name == "stripe-signature")
    assert called(case, headers={"stripe-signature": f"{value},{value}"})["statusCode"] == 401


def test_a_late_event_of_a_provider_without_tolerance_is_confirmed(
    configure: Callable[..., None], clock: Clock
) -> None:
    setting = providers.settings()[Provider.STRIPE]
    configure({Provider.STRIPE: {**setting, "tolerance_s": None}})
    clock.now_ms += 300_000
    assert sent(EVENT)["statusCode"] == 200
    clock.now_ms += 1000
    assert sent(EVENT.replace(b"evt_new", b"evt_old"))["statusCode"] == 200
    assert [event.confirm for name in ("evt_new", "evt_old") for event in stored_as(name)] == [False, True]
