"""Call the deployed API as its clients do, and keep what was answered and how long it took."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

TIMEOUT_S: Final = 60.0
MAX_TRIES: Final = 40
"""Tries of one call that is answered "not now", a second apart: far more than the worst burst needs."""

NOT_NOW: Final = frozenset({429, 503})
PROBLEM: Final = "urn:tallystick:problem:"

_KINDS: Final = (
    (r"/webhooks/", "webhook"),
    (r"/admin/dlq", "dead letter"),
    (r"/deposits", "deposit order"),
    (r"/admin/withdrawals", "decision"),
    (r"/withdrawals", "withdrawal order"),
    (r"/auth/", "auth"),
    (r"/credit$", "credit"),
    (r"/debit$", "debit"),
    (r"/reverse$", "reversal"),
    (r"/transfers", "transfer"),
    (r"/entries", "statement page"),
    (r"/balance", "balance"),
    (r"/idempotency/", "key"),
    (r"/wallets", "wallet"),
)
"""What a call is counted as; the first pattern that is found in its path."""


@dataclass(frozen=True, slots=True)
class Request:
    """Ask for one thing; with `token` as who, with `key` exactly once; `raw` is a body as it is, with its headers."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    token: str | None = None
    key: str | None = None
    raw: bytes | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Tell what the call is counted as."""
        return next((kind for pattern, kind in _KINDS if re.search(pattern, self.path)), "other")

    @property
    def headers(self) -> dict[str, str]:
        """Say who asks, and under which key."""
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.extra | bearer | ({"Idempotency-Key": self.key} if self.key else {})


@dataclass(frozen=True, slots=True)
class Answer:
    """Hold what came back."""

    status: int
    body: dict[str, Any]
    replayed: bool = False

    @property
    def problem(self) -> str:
        """Name the problem, nothing when it is none."""
        return str(self.body.get("type", "")).removeprefix(PROBLEM)

    def __str__(self) -> str:
        """Say it in a few words: "201 replayed", "409 insufficient-funds"."""
        return " ".join(filter(None, [str(self.status), "replayed" if self.replayed else "", self.problem]))


@dataclass(slots=True)
class Record:
    """Keep milliseconds by kind of call, the movements that were acknowledged, and how much was going on at once."""

    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    acknowledged: dict[str, dict[str, Any]] = field(default_factory=dict)
    retries: int = 0
    in_flight: int = 0
    most_in_flight: int = 0


class Client:
    """Send requests over as many connections as there are requests at once."""

    def __init__(self, base_url: str) -> None:
        """Name the API; proxies of the environment must not get in between."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        self._http = httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT_S, limits=limits, trust_env=False)
        self.record = Record()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, request: Request, note: str = "") -> Answer:
        """Send once; `note` tells calls of a burst from others of their kind."""
        record = self.record
        record.in_flight += 1
        record.most_in_flight = max(record.most_in_flight, record.in_flight)
        started = time.perf_counter()
        response = await self._http.request(
            request.method, request.path, json=request.body, content=request.raw, headers=request.headers
        )
        record.milliseconds.setdefault(request.kind + note, []).append((time.perf_counter() - started) * 1000)
        record.in_flight -= 1
        return self._read(response)

    async def send_until_answered(self, request: Request, note: str = "") -> Answer:
        """Send with the same key again for as long as the answer is "not now", within a bound."""
        answer = await self.send(request, note)
        for _ in range(MAX_TRIES):
            if answer.status not in NOT_NOW:
                break
            self.record.retries += 1
            await asyncio.sleep(1)  # what Retry-After says
            answer = await self.send(request, note)
        return answer

    def acknowledge(self, transfer: dict[str, Any]) -> None:
        """Note a movement that somebody was told of."""
        self.record.acknowledged[transfer["transfer_id"]] = transfer

    def _read(self, response: httpx.Response) -> Answer:
        is_json = "json" in response.headers.get("content-type", "")
        body = response.json() if is_json else {"type": response.text}
        answer = Answer(response.status_code, body, "Idempotency-Replayed" in response.headers)
        if response.status_code == httpx.codes.CREATED and "transfer_id" in body:
            self.acknowledge(body)
        return answer
