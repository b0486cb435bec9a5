"""Plant one fault at a time: what finds it, what is found, who is told, and that it ends when it is mended."""

from pathlib import Path

import pytest

from tallystick.domain.runs import Mode, Verdict
from tests.support.planting import FAULTS, UNTOLD, Kept, Planted

CHANGED, SUSPICION, FULL = "changed", "suspicion", "full"
APPROVED = Path(__file__).parents[1] / "golden" / "planted_faults.txt"
"""A line for each fault: its name, which run finds it (the next one of what has changed, a full one that this asks for,
or only the weekly one), what is found by account, fault and sequence, and the subjects of the alerts."""

LINES = {line.partition(" | ")[0]: line for line in APPROVED.read_text().splitlines()}


@pytest.fixture
def it() -> Planted:
    return Planted()


class Names:
    """Give people's names to ids."""

    def __init__(self, it: Planted) -> None:
        self._names = it.names

    def of(self, name: str) -> str:
        return self._names.get(name, "trf forged" if name.startswith("trf_") else name)

    def findings(self, verdicts: list[Verdict]) -> str:
        found: dict[str, list[str]] = {}
        for one in (finding for verdict in verdicts for finding in verdict.sums.findings):
            at = f" {one.sequence}" if one.sequence else ""
            found.setdefault(self.of(one.account_id), []).append(f"{one.fault}{at}")
        return "; ".join(f"{name}: {', '.join(sorted(set(faults)))}" for name, faults in sorted(found.items()))

    def told(self, it: Planted) -> str:
        return ", ".join(sorted(map(self.of, it.kept.standing)))


def verdicts_since(it: Planted, count: int) -> list[Verdict]:
    return list(it.runs.verdicts.values())[count:]


def look(it: Planted) -> tuple[str, list[Verdict]]:
    """Run five times, as it is due and whole."""
    count = len(it.runs.verdicts)
    it.reconcile()
    first = verdicts_since(it, count)[0]
    by = CHANGED if first.sums.findings else SUSPICION if first.suspicion else FULL
    for mode in (Mode.FULL, Mode.CHANGED, Mode.FULL, Mode.CHANGED):
        it.reconcile(mode)
    return by, verdicts_since(it, count)


def found_of(it: Planted, name: str) -> str:
    names = Names(it)
    FAULTS[name](it)
    by, verdicts = look(it)
    return " | ".join([name, by, names.findings(verdicts) or "-", names.told(it) or "-"])


def test_each_approved_line_is_of_a_fault() -> None:
    assert list(LINES) == list(FAULTS)


def test_undisturbed_all_is_sound(it: Planted) -> None:
    _, verdicts = look(it)
    assert [verdict.is_sound for verdict in (*it.verdicts, *verdicts)] == [True] * 7
    assert (it.told, it.kept.standing) == ([], set())


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str, it: Planted) -> None:
    kept = Kept.of(it)
    assert found_of(it, name) == LINES[name]
    assert set(it.kept.times.values()) <= {1}
    it.mend(kept)
    it.reconcile()
    assert it.reconcile(Mode.FULL).is_sound
    assert it.reconcile().is_sound
    assert not it.kept.standing
    assert not [account for account in it.store.account_items.values() if account.needs_reconciliation]
    assert set(it.kept.times.values()) <= {1}


@pytest.mark.parametrize("name", UNTOLD)
def test_what_nothing_else_contradicts_is_not_found(name: str, it: Planted) -> None:
    UNTOLD[name](it)
    _, verdicts = look(it)
    assert not [verdict for verdict in verdicts if not verdict.is_sound]
    assert not it.told
