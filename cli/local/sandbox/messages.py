"""Hold a call and its answer, and what a provider keeps."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol
from urllib.parse import parse_qsl

Thing = dict[str, Any]
"""Something that a provider keeps: a payment, a refund; as its API shows it."""


@dataclass(frozen=True)
class Request:
    """Hold a call; names of headers are in lower case, the path is without the provider's name."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def target(self) -> tuple[str, list[str]]:
        """Give the method and the parts of the path."""
        return self.method, self.path.strip("/").split("/")

    @cached_property
    def form(self) -> dict[str, str]:
        """Read a body that is a form."""
        return dict(parse_qsl(self.body.decode(), strict_parsing=True)) if self.body else {}

    @cached_property
    def json(self) -> Thing:
        """Read a body that is a JSON object."""
        value: Thing = json.loads(self.body)
        return value


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold an answer."""

    status: int
    body: Mapping[str, Any] | list[Thing]


class Provider(Protocol):
    """Keep things, and answer calls about them; `changed` says when the control API changed one, in seconds."""

    things: dict[str, Thing]
    changed: dict[str, float]

    def answer(self, request: Request) -> Answer:
        """Carry a call out."""


@dataclass(slots=True)
class Once:
    """Carry out a request under an idempotency key once, and give the same answer again."""

    reused: Answer
    answers: dict[str, tuple[bytes, Answer]] = field(default_factory=dict)

    def carry_out(self, key: str, request: Request, act: Callable[[Request], Answer]) -> Answer:
        """Answer `reused` when the key came with another request."""
        if key not in self.answers:
            self.answers[key] = request.body, act(request)
        body, answer = self.answers[key]
        return answer if body == request.body else self.reused

    def forget(self) -> None:
        """Forget all keys; what was done under them stays done."""
        self.answers.clear()


def forget_keys(provider: Provider) -> None:
    """Forget a provider's idempotency keys, as a day later."""
    for member in vars(provider).values():
        if isinstance(member, Once):
            member.forget()


def state_of_payouts(things: Mapping[str, Thing]) -> str:
    """Say how a payout stands that is made now."""
    status: str = things.get("payouts", {}).get("status", "pending")
    return status


def iso(time_s: float) -> str:
    """Write a time."""
    return datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def found(thing: Mapping[str, Any] | None) -> Answer:
    """Answer with a thing, or that there is none."""
    return Answer(404, {"error": "not found"}) if thing is None else Answer(200, thing)
