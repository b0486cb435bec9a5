from tests.golden.journal import GOLDEN, render


def test_movements_leave_the_same_entries_and_hashes_as_ever() -> None:
    assert render() == GOLDEN.read_text(encoding="utf-8"), "if this change is meant: python -m tests.golden.journal"
