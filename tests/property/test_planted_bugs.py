"""Plant bugs and show that the property tests' own search finds each of them."""

from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from hypothesis import Phase, given, settings
from hypothesis.stateful import run_state_machine_as_test

from tallystick.domain.errors import Refusal, TallystickError
from tallystick.services import ledger
from tests.property.interleaving import Script, Stage, scripts
from tests.property.test_ledger_machine import LedgerMachine
from tests.support.fake_store import FakeStore

SEARCH = settings(
    max_examples=1000, database=None, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False
)
Plant = Callable[[pytest.MonkeyPatch], None]


def no_version_condition(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FakeStore, "holds", lambda *_: True)


def replay_ranked_after_funds(patch: pytest.MonkeyPatch) -> None:
    def refuse(*, refusal: Refusal, **_: object) -> NoReturn:
        raise refusal

    patch.setattr(ledger, "replay_or_refuse", refuse)


def refuse_from_memory(patch: pytest.MonkeyPatch) -> None:
    def fresh(of: ledger.Ledger, movement: ledger.Movement) -> Any:  # noqa: ANN401 (private to the module)
        seen: Any = vars(ledger)["_Seen"]
        accounts = of.memory.recall(movement.account_ids)
        return None if accounts is None else seen(accounts, fresh=True)

    patch.setattr(ledger, "_recall", fresh)


BUGS = [no_version_condition, replay_ranked_after_funds, refuse_from_memory]


@SEARCH
@given(scripts)
def search_interleavings(script: Script) -> None:
    Stage(script).play()


def search_sequences() -> None:
    run_state_machine_as_test(LedgerMachine, settings=SEARCH)


@pytest.mark.parametrize("plant", BUGS)
@pytest.mark.parametrize("search", [search_interleavings, search_sequences])
def test_a_planted_bug_is_found(plant: Plant, search: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, TallystickError)):
        search()
