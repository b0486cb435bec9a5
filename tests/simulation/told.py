"""Remember what clients asked for, and what they were told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what came back: names of headers are in any case."""

    status: int
    document: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_replay(self) -> bool:
        """Tell whether it says that it is the answer of an earlier call."""
        return any(name.lower() == "idempotency-replayed" for name in self.headers)

    @property
    def is_final(self) -> bool:
        """Tell whether its client need not send the request again."""
        return self.status < 500 and self.status != 429


@dataclass(slots=True)
class Try:
    """Note one sending of a request; nothing came back while there is no answer."""

    sent_ms: int
    answered_ms: int | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Called:
    """Note a request, and each of its tries."""

    caller: str
    method: str
    path: str
    body: Any = None
    key: str | None = None
    query: Mapping[str, str] | None = None
    tries: list[Try] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Told:
    """Hold all requests in the order in which they were sent first."""

    calls: list[Called] = field(default_factory=list)
