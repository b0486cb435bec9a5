"""What flows have in common: a table of states and of the steps that lead from one to the next."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from tallystick.domain.errors import IllegalTransition
from tallystick.domain.transfers import TransferKind

State = TypeVar("State", bound=StrEnum)
Action = TypeVar("Action", bound=StrEnum)


class Actor(StrEnum):
    """Say who takes a step: a person, a rule of ours, or the provider by what it says."""

    OWNER = "owner"
    RULE = "rule"
    ADMIN = "admin"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class Transition(Generic[State, Action]):
    """Allow an action in a state; nothing is the state of what is not there yet. `posts` names the movement it is."""

    before: State | None
    action: Action
    after: State
    actor: Actor
    posts: TransferKind | None = None


def find(table: Iterable[Transition[State, Action]], state: State | None, action: Action) -> Transition[State, Action]:
    """Find what an action leads to.

    Raises:
        IllegalTransition: the state does not allow it; carries `state`.
    """
    for transition in table:
        if (transition.before, transition.action) == (state, action):
            return transition
    raise IllegalTransition(f"Its state is {state}, which does not allow to {action} it.", state=state)
