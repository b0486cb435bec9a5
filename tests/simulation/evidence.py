"""Hold all that is there to judge by when a simulated world has come to rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.local.sandbox.messages import Thing
from tests.simulation.told import Told

RawItem = Mapping[str, Mapping[str, Any]]
"""An item as DynamoDB's API has it: `{"balance": {"N": "12"}}`."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Note a provider's webhook: whether it was signed, and what each delivery was answered (None: nothing)."""

    provider: str
    body: bytes
    signed: bool
    answers: list[int | None] = field(default_factory=list)

    @property
    def is_taken(self) -> bool:
        """Tell whether its provider need not send it again."""
        return any(answer is not None and 200 <= answer < 300 for answer in self.answers)


@dataclass(frozen=True, slots=True)
class Breach:
    """Name a rule that was broken, and where."""

    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold the tables by name, what clients and providers were told and keep, and what is left over.

    `alerts` are the messages that were published, in order; `crashed` is what handlers raised. `given` are the ids of
    transfers that were there when the world began. `rules` are those of withdrawals by asset, as they are configured.
    `is_reconciled` tells whether the world ended with a full reconciliation. `tampered`
    are the subjects of alarms that are true; `missed` are those of which none came.
    """

    tables: Mapping[str, Sequence[RawItem]]
    told: Told = field(default_factory=Told)
    providers: Mapping[str, Mapping[str, Thing]] = field(default_factory=dict)
    queued: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dead: Mapping[str, Sequence[str]] = field(default_factory=dict)
    alerts: Sequence[Mapping[str, Any]] = ()
    delivered: Sequence[Delivered] = ()
    crashed: Sequence[str] = ()
    given: frozenset[str] = frozenset()
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_reconciled: bool = True
    tampered: frozenset[str] = frozenset()
    missed: Sequence[str] = ()
