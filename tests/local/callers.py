"""People and services that call a deployed API, each with a token of its own."""

import itertools
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from cli.local import tokens
from cli.local.deployment import Deployment
from tallystick.domain.callers import Role

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Caller:
    """Call the API as somebody; without a token as anybody."""

    http: httpx.Client
    token: str | None = None

    def call(self, method: str, path: str, body: Any = None, key: str | None = None, **options: Any) -> httpx.Response:  # noqa: ANN401 (JSON, and what httpx takes)
        """Send one request; `options` are httpx's."""
        headers = {
            **({"authorization": f"Bearer {self.token}"} if self.token else {}),
            **({"idempotency-key": key} if key is not None else {}),
            **options.pop("headers", {}),
        }
        return self.http.request(method, path, json=body, headers=headers, **options)

    def get(self, path: str) -> httpx.Response:
        """Read."""
        return self.call("GET", path)

    def post(self, path: str, body: Any = None, key: str | None = None) -> httpx.Response:  # noqa: ANN401 (JSON)
        """Write; under a new key when none is given."""
        return self.call("POST", path, {} if body is None else body, key or new_key())

    def open_wallet(self, asset: str = "USD") -> str:
        """Open a wallet and return its id."""
        wallet_id: str = self.post("/v1/wallets", {"asset": asset}).raise_for_status().json()["wallet_id"]
        return wallet_id


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody who appears in the tests of a module; their addresses are new each time."""

    ada: Caller
    eve: Caller
    service: Caller
    admin: Caller
    nobody: Caller


@contextmanager
def cast(deployment: Deployment) -> Iterator[Cast]:
    """Issue everybody's token."""
    run = secrets.token_hex(3)

    def caller(name: str, role: Role) -> Caller:
        return Caller(http, tokens.issue(deployment, role, f"{name}.{run}@example.com"))

    with httpx.Client(base_url=deployment.base_url, timeout=60, trust_env=False) as http:
        yield Cast(
            ada=caller("ada", Role.USER),
            eve=caller("eve", Role.USER),
            service=caller("service", Role.SERVICE),
            admin=caller("admin", Role.ADMIN),
            nobody=Caller(http),
        )


def new_key() -> str:
    """Make a key that no other test uses."""
    return f"key-{next(_numbers)}"


def outcome(response: httpx.Response) -> str:
    """Say what came back in a few words: "409 insufficient-funds"."""
    problem = response.json().get("type", "") if "json" in response.headers.get("content-type", "") else ""
    return f"{response.status_code} {problem.removeprefix('urn:tallystick:problem:')}".strip()
