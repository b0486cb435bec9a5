"""Drive runs of reconciliation through what is deployed, and read what they came to."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

import httpx

from cli.local import tokens
from cli.local.deployment import Deployment
from tallystick.domain.callers import Role
from tallystick.domain.runs import Mode, Run, Verdict
from tallystick.services.ports.runs import Runs
from tests.local.changes import run as invoke

BUCKET_S: Final = 10
PATIENCE_S: Final = 3600.0
Found = TypeVar("Found")


class Runner:
    """Begin runs and wait for their end; `verdicts` are those of all of them, oldest first."""

    def __init__(self, deployment: Deployment, runs: Runs) -> None:
        """Take the store of runs."""
        self._deployment, self._runs = deployment, runs
        self._token = tokens.issue(deployment, Role.ADMIN, "bench@example.com")
        self.verdicts: list[Verdict] = []

    def planned(self) -> list[Verdict]:
        """Let the clock's function plan what is due, and wait for what comes of it."""
        invoke(self._deployment, "reconciliation_planner")
        return self._ended()

    def compared(self) -> None:
        """Let the clock's other function compare with the providers' books."""
        invoke(self._deployment, "provider_reconciler")

    def full(self) -> list[Verdict]:
        """Ask for a full run as an admin, and wait for its end."""
        answer = httpx.post(
            f"{self._deployment.base_url}/v1/admin/reconciliation/runs",
            json={"full": True},
            headers={"Authorization": f"Bearer {self._token}"},
            trust_env=False,
            timeout=60,
        )
        answer.raise_for_status()
        return self._ended()

    def _ended(self) -> list[Verdict]:
        """Wait until no run is under way, and none that a suspicion begins; answer the verdicts since.

        A full run that confirms another follows at once, so verdicts are gathered at each look.
        """
        found: dict[str, Verdict] = {}

        def is_over(run: Run) -> bool:
            found.update({one.run.run_id: one for one in filter(None, map(self._runs.newest, Mode))})
            verdict = found.get(run.run_id)
            return run.ended_at_ms is not None and verdict is not None and not verdict.suspicion

        wait_for(self._runs.current, is_over)
        known = {verdict.run.run_id for verdict in self.verdicts}
        new = sorted((one for name, one in found.items() if name not in known), key=lambda one: one.run.started_at_ms)
        self.verdicts += new
        return new


def wait_for(look: Callable[[], Found | None], is_enough: Callable[[Found], bool]) -> Found:
    """Look until it is enough, within a bound."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := look()) is None or not is_enough(found):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {found}")
        time.sleep(0.2)
    return found
