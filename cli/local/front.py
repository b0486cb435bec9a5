"""Give the deployed HTTP API and the sandbox ports of their own, so that the API is plain `http://127.0.0.1:PORT`.

The emulator serves every API on its one port, told apart by a host name that most resolvers do not know or by a
path that would show in the API's own addresses; and it answers `/health` and others itself. What arrives on the API's
port goes to the API, whatever it looks like.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from ministack.services import apigateway

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

# The emulator starts one process for each request in flight; more than this only compete for the processors.
# Requests above it wait their turn, none is refused.
CONCURRENT_REQUESTS = max(4, 2 * (os.cpu_count() or 1))


class Front:
    """An ASGI application before the emulator's."""

    def __init__(self, emulator: Application, *, api_port: int, sandbox: Application, sandbox_port: int) -> None:
        """Send what arrives on `api_port` to the deployed API, and what arrives on `sandbox_port` to the sandbox."""
        self._emulator = emulator
        self._api_port = api_port
        self._sandbox = sandbox
        self._sandbox_port = sandbox_port
        self._turn = asyncio.Semaphore(CONCURRENT_REQUESTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, to the API, the sandbox or the AWS endpoint."""
        port = scope["server"][1] if scope["type"] == "http" else None
        if port == self._sandbox_port:
            await self._sandbox(scope, receive, send)
        elif port != self._api_port:
            await self._emulator(scope, receive, send)
        elif (api_id := _deployed_api()) is None:
            await _refuse(send)
        else:
            async with self._turn:
                await self._emulator(_addressed(scope, api_id), receive, send)


def _deployed_api() -> str | None:
    """Find the id of the one HTTP API; it changes whenever CloudFormation replaces the API."""
    apis: Iterable[tuple[tuple[str, str, str], Any]] = apigateway._apis.all_items()  # noqa: SLF001 - its only list
    return next((api_id for (_account, _region, api_id), _api in apis), None)


def _addressed(scope: Scope, api_id: str) -> Scope:
    prefix = f"/_aws/execute-api/{api_id}/$default"
    return {**scope, "path": prefix + scope["path"], "raw_path": prefix.encode() + scope["raw_path"]}


async def _refuse(send: Send) -> None:
    body = b'{"message":"Nothing is deployed yet"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
