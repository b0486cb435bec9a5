"""Run the sandbox of payment providers in a thread, on a free port of this machine."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from hypercorn.asyncio import serve
from hypercorn.config import Config

from cli.local.sandbox.application import Sandbox


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """Speak with a sandbox by its control API."""

    http: httpx.Client

    def url(self, provider: str) -> str:
        """Give the address that a provider's API has here."""
        return str(self.http.base_url.join(f"/{provider}"))

    def put(self, provider: str, thing_id: str, **members: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
        """Change a thing, or make it."""
        return self._ask("POST", "resources", json={"provider": provider, "id": thing_id, "members": members})

    def things(self, provider: str) -> dict[str, Any]:
        """Give all that a provider keeps."""
        return self._ask("GET", "resources", params={"provider": provider})

    def fail(self, provider: str, **fault: Any) -> None:  # noqa: ANN401 (JSON)
        """Let the next calls go wrong."""
        self._ask("POST", "faults", json={"provider": provider, **fault})

    def away(self, provider: str, *, away: bool) -> None:
        """Let it answer nothing, until it is told to be there again."""
        self._ask("POST", "away", json={"provider": provider, "away": away})

    def calls(self, provider: str) -> list[dict[str, Any]]:
        """Give the calls so far."""
        calls: list[dict[str, Any]] = self._ask("GET", "calls", params={"provider": provider})["calls"]
        return calls

    def reset(self) -> None:
        """Forget everything."""
        self._ask("POST", "reset", json={})

    def _ask(self, method: str, path: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 (httpx's)
        answer: dict[str, Any] = self.http.request(method, f"/_control/{path}", **options).raise_for_status().json()
        return answer


@contextmanager
def running_sandbox() -> Iterator[RunningSandbox]:
    """Start a sandbox, and stop it at the end."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(target=_serve, args=(loop, stop, listener.detach()))
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as http:
            yield RunningSandbox(http)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def _serve(loop: asyncio.AbstractEventLoop, stop: asyncio.Event, descriptor: int) -> None:
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.loglevel = "WARNING"
    config.graceful_timeout = 0.1
    asyncio.set_event_loop(loop)
    loop.run_until_complete(serve(Sandbox(), config, shutdown_trigger=stop.wait))  # type: ignore[arg-type]
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
