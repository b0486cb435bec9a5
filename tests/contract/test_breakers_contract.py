from dataclasses import replace
from typing import Final

import pytest

from tallystick.adapters.dynamo.tables import OperationItem
from tallystick.domain.breaker import THRESHOLD, Breaker, BreakerState
from tallystick.domain.quotas import Used
from tests.support.scene import NOW_MS
from tests.support.tables import Ports, Tables

NEW: Final = Breaker("stripe")
OPEN: Final = Breaker("stripe", BreakerState.OPEN, 7, NOW_MS + 120_000, 1)


def test_a_breaker_that_nothing_was_written_of_is_closed(ports: Ports) -> None:
    assert ports.breakers.get("stripe") == NEW
    assert NEW.state is BreakerState.CLOSED


@pytest.mark.parametrize("state", list(BreakerState))
def test_a_breaker_is_stored_with_all_it_says(ports: Ports, state: BreakerState) -> None:
    written = replace(OPEN, state=state)
    assert ports.breakers.save(written)
    assert ports.breakers.get("stripe") == written


def test_each_provider_has_its_own(ports: Ports) -> None:
    ports.breakers.save(OPEN)
    assert ports.breakers.get("paystack") == Breaker("paystack")
    assert ports.breakers.save(replace(OPEN, name="paystack"))


def test_every_change_on_the_way_from_closed_to_open_and_back_is_kept(ports: Ports) -> None:
    breaker = NEW
    for _ in range(THRESHOLD):
        breaker = breaker.failed(NOW_MS)
        assert ports.breakers.save(breaker)
    assert breaker.state is BreakerState.OPEN
    for following in (probing := breaker.probing(NOW_MS), probing.succeeded()):
        assert ports.breakers.save(following)
        assert ports.breakers.get("stripe") == following
    assert ports.breakers.get("stripe").version == THRESHOLD + 2


@pytest.mark.parametrize("version", [-1, 0, 1, 3, 4])
def test_only_the_next_version_is_written(ports: Ports, version: int) -> None:
    ports.breakers.save(OPEN)
    assert not ports.breakers.save(replace(OPEN, failures=9, version=version))
    assert ports.breakers.get("stripe") == OPEN
    assert ports.breakers.save(replace(OPEN, failures=9, version=2))


@pytest.mark.parametrize("version", [0, 2])
def test_the_first_version_is_one(ports: Ports, version: int) -> None:
    assert not ports.breakers.save(replace(OPEN, version=version))
    assert ports.breakers.get("stripe") == NEW


def test_of_two_changes_at_once_the_first_is_written(ports: Ports) -> None:
    first, second = NEW.failed(NOW_MS), NEW.failed(NOW_MS + 1)
    assert (ports.breakers.save(first), ports.breakers.save(second)) == (True, False)
    assert ports.breakers.get("stripe") == first


def test_a_quota_that_nothing_was_taken_from_is_not_used(ports: Ports) -> None:
    assert ports.quotas.used("withdrawals#ada#USD#2026-01-01") == Used()


def test_what_lies_in_one_table_is_never_taken_for_each_other(dynamo: Tables) -> None:
    ports = dynamo.ports
    ports.breakers.save(OPEN)
    ports.cursors.advance("stripe", None, "7")
    assert (ports.cursors.get("stripe"), ports.breakers.get("stripe")) == ("7", OPEN)
    assert ports.quotas.used("stripe") == Used()
    assert {item.operation_key for item in OperationItem.scan()} == {"breaker#stripe", "cursor#stripe"}
