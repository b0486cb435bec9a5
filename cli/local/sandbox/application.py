"""Serve all providers, and where people are told (`slack`, `pagerduty`): each below `/<provider>/`.

Beside them is a control API for tests below `/_control/`:

- `POST /_control/resources`: `{"provider": "stripe", "id": "pi_1", "status": "succeeded"}` changes a thing or makes it;
  what is itself called `provider` or `id` stands in `members`
- `GET /_control/resources?provider=stripe`: all that it keeps
- `POST /_control/faults`: `{"provider": "stripe", "times": 2, "status": 503}` instead of carrying the next calls out,
  with `body` as the answer; `carried_out` carries them out nevertheless. `delay_ms` waits before it, `lost` carries the
  call out and breaks the answer off
- `POST /_control/away`: `{"provider": "stripe", "away": true}` answers 503 to everything until it is false again
- `POST /_control/forget`: `{"provider": "stripe"}` forgets its idempotency keys, as a day later
- `GET /_control/calls?provider=stripe`: the calls so far
- `POST /_control/reset`: forget everything

Payouts are pending when they are made, unless the thing `payouts` says otherwise (`{"status": "paid"}`); they are never
taken away: those with a withdrawal's id or reference can be counted.
Lists have the time at which a thing was changed last by this API, unless it tells its own (`paid_at`, `settled_at`).
The thing `balance`, such as `{"usd": 1000}`, limits each; without it there is money enough.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from cli.local.sandbox.chains import MoonPay, Ramp
from cli.local.sandbox.channels import PagerDuty, Slack
from cli.local.sandbox.messages import Answer, Provider, Request, Thing, forget_keys, found
from cli.local.sandbox.paystack import Paystack
from cli.local.sandbox.stellar import Stellar
from cli.local.sandbox.stripe import Stripe
from cli.local.sandbox.truelayer import TrueLayer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """Say what goes wrong with one call."""

    status: int | None = None
    delay_ms: int = 0
    lost: bool = False
    carried_out: bool = False
    body: Thing = field(default_factory=dict)

    def answer(self, carry_out: Callable[[], Answer]) -> Answer:
        """Answer with a status, or as the provider does."""
        if self.status is None:
            return carry_out()
        if self.carried_out:
            carry_out()
        return Answer(self.status, self.body)


AWAY = Fault(status=503)


class Sandbox:
    """An ASGI application that plays the providers."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._reset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call."""
        if scope["type"] != "http":
            return
        request = await _request(scope, receive)
        name, _, path = scope["path"].strip("/").partition("/")
        if name == "_control":
            await _send(send, self._control(path, request))
        elif name in self._providers:
            await self._provide(name, path, request, send)
        else:
            await _send(send, found(None))

    def _reset(self) -> None:
        self._providers: dict[str, Provider] = {
            "moonpay": MoonPay(),
            "pagerduty": PagerDuty(),
            "paystack": Paystack(),
            "ramp": Ramp(),
            "slack": Slack(),
            "stellar": Stellar(),
            "stripe": Stripe(),
            "truelayer": TrueLayer(),
        }
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        self._away: set[str] = set()
        self._calls: dict[str, list[dict[str, Any]]] = defaultdict(list)

    async def _provide(self, name: str, path: str, request: Request, send: Send) -> None:
        calls = self._calls[name]  # those before a reset are forgotten, though they may still be under way
        fault = self._next_fault(name)
        await asyncio.sleep(fault.delay_ms / 1000)
        asked = Request(request.method, f"/{path}", request.query, request.headers, request.body)
        answer = fault.answer(lambda: self._providers[name].answer(asked))
        calls.append({**asdict(asked), "body": asked.body.decode(), "status": answer.status})
        await _send(send, answer, lost=fault.lost)

    def _next_fault(self, name: str) -> Fault:
        if name in self._away:
            return AWAY
        return self._faults[name].pop(0) if self._faults[name] else Fault()

    def _control(self, path: str, request: Request) -> Answer:
        match request.method, path:
            case "GET", "resources":
                return Answer(200, self._providers[request.query["provider"]].things)
            case "GET", "calls":
                return Answer(200, {"calls": self._calls[request.query["provider"]]})
            case "POST", "reset":
                self._reset()
                return Answer(200, {})
            case "POST", command if command in self._commands:
                return Answer(200, self._commands[command](**request.json) or {})
        return found(None)

    @property
    def _commands(self) -> Mapping[str, Callable[..., Thing | None]]:
        return {"resources": self._put, "faults": self._expect, "away": self._leave, "forget": self._forget}

    def _put(self, provider: str, id: str, members: Thing | None = None, **others: Any) -> Thing:  # noqa: A002, ANN401 (JSON)
        things = self._providers[provider].things
        things[id] = {"id": id, **things.get(id, {}), **others, **(members or {})}
        self._providers[provider].changed[id] = time.time()
        return things[id]

    def _expect(self, provider: str, times: int = 1, **fault: Any) -> None:  # noqa: ANN401 (JSON)
        self._faults[provider] += [Fault(**fault)] * times

    def _leave(self, provider: str, away: bool) -> None:  # noqa: FBT001 (JSON)
        (self._away.add if away else self._away.discard)(provider)

    def _forget(self, provider: str) -> None:
        forget_keys(self._providers[provider])


async def _request(scope: Scope, receive: Receive) -> Request:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
    return Request(scope["method"], scope["path"], query, headers, body)


async def _send(send: Send, answer: Answer, *, lost: bool = False) -> None:
    body = json.dumps(answer.body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    # Less than was announced: the server then closes the connection.
    await send({"type": "http.response.body", "body": body[:1] if lost else body, "more_body": lost})
