"""Run the real handlers as Lambda does: one invocation a container at a time, whose memory is kept until it dies."""

import importlib
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Final

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

from infra.routes import FUNCTIONS
from tests.simulation.kernel import SECOND, Kernel, Killed, Task

TIMEOUTS_S: Final[Mapping[str, int]] = {
    **dict.fromkeys(("deposits", "withdrawals", "dead_letters", "differences", "notifier"), 28),
    **dict.fromkeys(("webhook_sweep", "withdrawal_sweep", "stellar_poller", "spike_sweep", "watchdog"), 50),
    **dict.fromkeys(("webhook_processor", "payout_worker", "tally", "reconciliation_planner"), 60),
    "provider_reconciler": 300,
    "reconciler": 600,
}
"""As `infra` deploys them; every other function has TIMEOUT_S."""

TIMEOUT_S: Final = 10
MAX_SKEW_US: Final = 300 * SECOND
NOT_NOW: Final = (
    "tallystick.domain.errors.StoreUnavailable",
    "tallystick.domain.errors.ProviderUnavailable",
    "tallystick.services.provider_reconciliation.ReconciliationFailed",
)
"""What jobs of the clock and readers of streams raise to be called again."""

COLD: Final = 0.1
"""The share of invocations that meet a new container although an old one is free."""


class Container:
    """Hold what a function keeps in one place: its clock's skew, and what was built there."""

    def __init__(self, name: str, function: str, kernel: Kernel, skew_us: int) -> None:
        """Start cold."""
        self.name = name
        self.function = function
        self.skew_us = skew_us
        self.kept: dict[Any, Any] = {}
        self.is_broken = False
        self.ends_us = 0
        self._kernel = kernel

    def begin(self) -> None:
        """Begin an invocation."""
        self.ends_us = self._kernel.now_us + TIMEOUTS_S.get(self.function, TIMEOUT_S) * SECOND

    def check(self) -> None:
        """Die when the function's time is over, and stay dead."""
        if self._kernel.now_us >= self.ends_us:
            self.is_broken = True
        if self.is_broken:
            raise Killed

    @property
    def context(self) -> "Context":
        """Give what Lambda hands to a handler."""
        return Context(self)


@dataclass(frozen=True, slots=True)
class Context:
    """Look like Lambda's context."""

    container: Container
    aws_request_id: str = "request-1"
    memory_limit_in_mb: int = 512

    @property
    def function_name(self) -> str:
        """Name the function."""
        return self.container.function

    @property
    def invoked_function_arn(self) -> str:
        """Name the function."""
        return f"arn:aws:lambda:us-east-1:123456789012:function:{self.container.function}"

    def get_remaining_time_in_millis(self) -> int:
        """Say how long it may go on."""
        return (self.container.ends_us - self.container._kernel.now_us) // 1000  # noqa: SLF001 (its own part)


class Routing:
    """Keep what Powertools keeps once a process while others have their turn."""

    __slots__ = ("_kept",)

    def out(self) -> None:
        """Take it along."""
        self._kept = vars(BaseRouter).get("current_event"), vars(BaseRouter).get("lambda_context")

    def back(self) -> None:
        """Put it back."""
        BaseRouter.current_event, BaseRouter.lambda_context = self._kept  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Ended:
    """Tell how an invocation ended: with an answer, by dying, or by raising."""

    answer: Any = None
    is_killed: bool = False
    fault: str | None = None

    @property
    def is_good(self) -> bool:
        """Tell whether the handler came to its end."""
        return not self.is_killed and self.fault is None


class Fleet:
    """Hold the containers of all functions."""

    def __init__(self, kernel: Kernel, note: Callable[[str], None]) -> None:
        """Begin with none."""
        self._kernel = kernel
        self._note = note
        self._idle: dict[str, list[Container]] = defaultdict(list)
        self._count = 0
        self.skewed = 0.0
        self._skew_us = MAX_SKEW_US
        self.cold = COLD
        self.invocations: Counter[str] = Counter()
        self.accidents: Counter[str] = Counter()
        self.crashed: list[str] = []

    def invoke(self, function: str, event: Mapping[str, Any]) -> Task:
        """Begin an invocation; its task's result is `Ended`."""
        return self._kernel.spawn(function, partial(self._live, function, event))

    def wait_for(self, function: str, event: Mapping[str, Any]) -> Ended:
        """Invoke and wait, inside a task."""
        task = self.invoke(function, event)
        self._kernel.join(task)
        ended: Ended = task.result
        return ended

    def set_clocks(self, wrong: float, by_us: int = MAX_SKEW_US) -> None:
        """Let the clocks of this share of new containers be wrong; there are none but new ones from now on."""
        self.skewed, self._skew_us = wrong, by_us
        self._idle.clear()

    def _live(self, function: str, event: Mapping[str, Any]) -> Ended:
        task = self._kernel.current
        container = self._container(function)
        self.invocations[function] += 1
        task.container, task.swap = container, Routing()  # type: ignore[union-attr] # it runs
        container.begin()
        self._note(f"begins: {function}")
        ended = _ended(function, event, container)
        if ended.fault and not ended.fault.startswith(NOT_NOW):
            self.crashed.append(f"{function}: {ended.fault}")
        if ended.is_good and not container.is_broken:
            self._idle[function].append(container)
        self._note(f"ends: {'killed' if ended.is_killed else ended.fault or _shortly(ended.answer)}")
        return ended

    def _container(self, function: str) -> Container:
        idle, dice = self._idle[function], self._kernel.dice
        if idle and dice.random() >= self.cold:
            return idle.pop(dice.randrange(len(idle)))
        self.accidents["cold start"] += 1
        skew_us = dice.randint(-self._skew_us, self._skew_us) if dice.random() < self.skewed else 0
        if skew_us:
            self.accidents["clock skewed"] += 1
        self._count += 1
        return Container(f"{function}/{self._count}", function, self._kernel, skew_us)


def _ended(function: str, event: Mapping[str, Any], container: Container) -> Ended:
    try:
        return Ended(handlers()[function](event, container.context))
    except Killed:
        return Ended(is_killed=True)
    except Exception as fault:  # noqa: BLE001 (Lambda reports whatever it is)
        return Ended(fault="".join(traceback.format_exception_only(fault)).strip())


def _shortly(answer: Any) -> str:  # noqa: ANN401 (a handler's)
    if isinstance(answer, dict) and "statusCode" in answer:
        return f"{answer['statusCode']} {answer.get('body', '')}"
    return str(answer)


@cache
def handlers() -> Mapping[str, Callable[..., Any]]:
    """Import all handlers."""
    return {name: importlib.import_module(f"functions.{name}.handler").handler for name in FUNCTIONS}
