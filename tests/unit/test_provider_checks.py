from dataclasses import dataclass, field

import pytest

from tallystick.domain.callers import Caller
from tallystick.domain.differences import Run
from tallystick.domain.errors import Forbidden
from tallystick.domain.provider_matching import DIFFERENCES, Match
from tallystick.domain.webhooks import Provider
from tallystick.services.integrity import Check, Standing, provider_checks
from tests.support.scene import ADA, ADMIN, NOW_MS

HOUR_MS = 3_600_000


@dataclass
class Kept:
    """Remember one run of each provider."""

    kept: dict[Provider, Run] = field(default_factory=dict)

    def get(self, provider: Provider) -> Run:
        return self.kept.get(provider, Run(provider))

    def save(self, run: Run) -> bool:
        raise AssertionError(run)


def check(run: Run, caller: Caller = ADMIN) -> Check:
    """Show how comparing with one provider stands."""
    (found,) = provider_checks(
        runs=Kept({run.provider: run}), providers=[run.provider], caller=caller, now_ms=NOW_MS, every_ms=HOUR_MS
    )
    return found


def test_a_provider_that_was_never_compared_is_unknown() -> None:
    assert check(Run(Provider.STRIPE, started_ms=NOW_MS)) == Check("provider-stripe", Standing.UNKNOWN)


def test_what_agrees_is_in_order() -> None:
    found = check(Run(Provider.RAMP, ended_ms=NOW_MS, counts={Match.MATCHED: 3, Match.IN_TRANSIT: 1}))
    assert (found.name, found.standing, found.ended_at_ms) == ("provider-ramp", Standing.OK, NOW_MS)
    assert found.facts == {"matched": 3, "in-transit": 1}


@pytest.mark.parametrize("match", sorted(DIFFERENCES))
def test_any_difference_fails_it(match: Match) -> None:
    assert check(Run(Provider.STRIPE, ended_ms=NOW_MS, counts={match: 1})).standing is Standing.FAILING
    assert check(Run(Provider.STRIPE, ended_ms=NOW_MS, counts={match: 0})).standing is Standing.OK


def test_a_run_that_did_not_come_to_its_end_fails_it() -> None:
    found = check(Run(Provider.STRIPE, ended_ms=NOW_MS, failure="provider-unavailable"))
    assert (found.standing, found.facts) == (Standing.FAILING, {"failure": "provider-unavailable"})


@pytest.mark.parametrize(("ago_ms", "standing"), [(3 * HOUR_MS, Standing.OK), (3 * HOUR_MS + 1, Standing.LATE)])
def test_one_that_should_have_run_again_is_late(ago_ms: int, standing: Standing) -> None:
    assert check(Run(Provider.STRIPE, ended_ms=NOW_MS - ago_ms, counts={Match.DUPLICATE: 0})).standing is standing


def test_admins_alone_see_it() -> None:
    with pytest.raises(Forbidden):
        check(Run(Provider.STRIPE), ADA)
