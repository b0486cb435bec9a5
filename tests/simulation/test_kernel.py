"""The kernel's clock goes on while something is due, and not for ever."""

import pytest

from tests.simulation import kernel
from tests.simulation.kernel import SECOND, Kernel


def test_what_is_due_is_done_in_order_of_time() -> None:
    done: list[str] = []
    hours = Kernel(0)
    hours.after(2 * SECOND, lambda: done.append("later"))
    hours.after(SECOND, lambda: done.append("soon"))
    hours.run()
    assert done == ["soon", "later"]


def test_a_world_without_an_end_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "MAX_STEPS", 100)
    endless = Kernel(0)

    def again() -> None:
        endless.after(SECOND, again)

    again()
    with pytest.raises(RuntimeError, match="no end after 100 steps"):
        endless.run()
