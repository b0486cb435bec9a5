"""Whatever has happened, and however the provider lists it, everything is found to be what it is, and told once."""

import random

from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.provider_matching import DIFFERENCES, Match, claimed, is_final
from tests.support.comparing import AGEING_MS, SITUATIONS, Comparing, arrange
from tests.support.scene import NOW_MS

NAMES = st.lists(st.sampled_from(sorted(SITUATIONS)), max_size=25)


@given(NAMES, st.integers(1, 7), st.randoms(use_true_random=False), st.lists(st.integers(1, 60), max_size=4))
def test_every_class_is_exact_whatever_the_order_the_pages_and_the_interruptions(
    names: list[str], page: int, order: random.Random, budgets: list[int]
) -> None:
    both = Comparing()
    truth = arrange(both, names)
    order.shuffle(both.books.records)
    both.books.page = page
    for budget in budgets:
        both.budget = budget
        both.run()
    both.budget = 10**9
    run = both.run()

    differences = {name: match for name, match in truth.items() if match in DIFFERENCES}
    assert both.found == differences
    told = [(alert.kind, alert.subject) for alert in both.alerts.raised]
    assert len(told) == len(set(told)) == len(differences)
    assert both.alerts.ended == []
    if not budgets:
        found = [match.value for match in truth.values()]
        assert run.counts == {match: found.count(match) for match in found}


@given(NAMES, st.randoms(use_true_random=False))
def test_what_is_final_and_agrees_is_let_go_and_nothing_else(names: list[str], order: random.Random) -> None:
    both = Comparing()
    truth = arrange(both, names)
    order.shuffle(both.books.records)
    both.run()
    assert set(both.flows.agreed) == {
        flow.flow_id
        for flow in both.store.flow_items.values()
        if is_final(flow, aged_before_ms=NOW_MS - AGEING_MS)
        and all(truth[wanted.name] is Match.MATCHED for wanted in claimed(flow))
    }
