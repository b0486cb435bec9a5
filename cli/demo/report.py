"""Play the scenario and judge what it left: the same for the command and for the end-to-end test."""

from collections.abc import Mapping
from dataclasses import dataclass

from cli.demo.integrity import Ending, end
from cli.demo.judge import Claims, Invariant, judge, write_units
from cli.demo.scenario import Outcome, play
from cli.demo.stored import Stored
from cli.local.deployment import Deployment
from cli.progress import Steps


@dataclass(frozen=True, slots=True)
class Report:
    """Hold what happened and what is stored of it."""

    outcome: Outcome
    invariants: tuple[Invariant, ...]
    write_units: Mapping[str, float]
    ending: Ending

    @property
    def ok(self) -> bool:
        """Tell whether every step went as expected and nothing that must hold is broken."""
        steps = (*self.outcome.steps, *self.ending.steps)
        return all(step.ok for step in steps) and not any(found.violations for found in self.invariants)


def make(deployment: Deployment, progress: Steps) -> Report:
    """Play against a deployment, read with administrator's credentials what it stored, and reconcile it."""
    outcome = play(deployment, progress)
    with progress.step("check what is stored"):
        stored = Stored.read(deployment)
        claims = Claims(outcome.record.acknowledged, outcome.wallets)
        invariants, units = tuple(judge(stored, claims)), write_units(stored, claims)
    return Report(outcome, invariants, units, end(deployment, outcome.names, progress))
