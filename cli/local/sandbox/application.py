"""Serve all providers, each below `/<provider>/`, and a control API for tests below `/_control/`.

- `POST /_control/resources`: `{"provider": "stripe", "id": "pi_1", "status": "succeeded"}` changes a thing or makes it;
  what is itself called `provider` or `id` stands in `members`
- `GET /_control/resources?provider=stripe`: all that it keeps
- `POST /_control/faults`: `{"provider": "stripe", "times": 2, "status": 503}` instead of carrying the next calls out;
  `delay_ms` waits before it, `lost` carries the call out and breaks the answer off
- `GET /_control/calls?provider=stripe`: the calls so far
- `POST /_control/reset`: forget everything
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl

from cli.local.sandbox.chains import MoonPay, Ramp, Stellar
from cli.local.sandbox.messages import Answer, Provider, Request, Thing, found
from cli.local.sandbox.paystack import Paystack
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
            "paystack": Paystack(),
            "ramp": Ramp(),
            "stellar": Stellar(),
            "stripe": Stripe(),
            "truelayer": TrueLayer(),
        }
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        self._calls: dict[str, list[dict[str, Any]]] = defaultdict(list)

    async def _provide(self, name: str, path: str, request: Request, send: Send) -> None:
        calls = self._calls[name]  # those before a reset are forgotten, though they may still be under way
        fault = self._faults[name].pop(0) if self._faults[name] else Fault()
        await asyncio.sleep(fault.delay_ms / 1000)
        asked = Request(request.method, f"/{path}", request.query, request.headers, request.body)
        answer = Answer(fault.status, {}) if fault.status else self._providers[name].answer(asked)
        calls.append({**asdict(asked), "body": asked.body.decode(), "status": answer.status})
        await _send(send, answer, lost=fault.lost)

    def _control(self, path: str, request: Request) -> Answer:
        match request.method, path:
            case "POST", "resources":
                return Answer(200, self._put(**request.json))
            case "GET", "resources":
                return Answer(200, self._providers[request.query["provider"]].things)
            case "POST", "faults":
                self._expect(**request.json)
                return Answer(200, {})
            case "GET", "calls":
                return Answer(200, {"calls": self._calls[request.query["provider"]]})
            case "POST", "reset":
                self._reset()
                return Answer(200, {})
        return found(None)

    def _put(self, provider: str, id: str, members: Thing | None = None, **others: Any) -> Thing:  # noqa: A002, ANN401 (JSON)
        things = self._providers[provider].things
        things[id] = {"id": id, **things.get(id, {}), **others, **(members or {})}
        return things[id]

    def _expect(self, provider: str, times: int = 1, **fault: Any) -> None:  # noqa: ANN401 (JSON)
        self._faults[provider] += [Fault(**fault)] * times


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
