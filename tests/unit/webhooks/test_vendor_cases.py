from collections import Counter
from dataclasses import replace

import pytest

from tallystick.domain.webhooks import Forged, Provider
from tests.unit.webhooks.cases import FILES, TOLERANCE_S, Case, cases, fixture

CASES = list(cases())


def judged(case: Case) -> str:
    """Judge as the caller does: freshness is its part."""
    try:
        signed_at_ms = case.seal.verify(case.call, case.keys)
    except Forged as forged:
        return forged.reason
    if signed_at_ms is None:
        return "genuine"
    distance_ms = abs(signed_at_ms - case.call.received_at_ms)
    return "stale" if distance_ms > TOLERANCE_S[case.call.provider] * 1000 else "genuine"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_has_the_verdict_that_the_vendor_gives(case: Case) -> None:
    assert judged(case) == case.expected


def test_every_file_has_cases_of_both_kinds() -> None:
    kinds = Counter((case.call.provider, case.expected == "genuine") for case in CASES)
    assert all(kinds[provider, genuine] >= 4 for provider in Provider for genuine in (True, False))


@pytest.mark.parametrize("provider", FILES)
def test_only_schemes_without_a_time_have_no_stale_case(provider: Provider) -> None:
    stale = [case for case in CASES if case.call.provider is provider and case.expected == "stale"]
    assert bool(stale) != ("stale_timestamp" in fixture(provider).get("not_applicable", []))


@pytest.mark.parametrize("case", [case for case in CASES if case.expected == "genuine"], ids=lambda case: case.name)
def test_a_genuine_case_has_an_event_id_that_its_spelling_does_not_change(case: Case) -> None:
    event_id = case.seal.event_id(case.call)
    assert event_id
    assert case.seal.event_id(replace(case.call, body=b" " + case.call.body + b"\n")) == event_id


@pytest.mark.parametrize("case", [case for case in CASES if case.expected == "genuine"], ids=lambda case: case.name)
def test_without_keys_nothing_is_genuine(case: Case) -> None:
    with pytest.raises(Forged) as forged:
        case.seal.verify(case.call, [])
    assert forged.value.reason == "unknown-key"
