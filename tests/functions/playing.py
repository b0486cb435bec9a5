"""Play the providers in this process, so that calls to them can be watched, lost and undone like those to AWS."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import parse_qsl

from botocore.exceptions import ClientError, ReadTimeoutError
from urllib3.exceptions import ReadTimeoutError as ProviderTimeout

from cli.local.sandbox import messages
from cli.local.sandbox.paystack import Paystack
from cli.local.sandbox.stellar import Stellar
from cli.local.sandbox.stripe import Stripe
from cli.local.sandbox.truelayer import TrueLayer
from tallystick.adapters.providers.http import ProviderHttp
from tests.functions import cloud

_READS: Final = ("GET ", "GetItem", "BatchGetItem", "GetSecretValue")

Accident = Callable[[str], BaseException]
"""Is told the name of a call, such as `TransactWriteItems` or `POST stripe/v1/payouts`."""


class Answered(Exception):
    """Let a provider answer this status, with nothing that it documents."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def is_providers(call: str) -> bool:
    """Tell calls to a provider from those to AWS."""
    return "/" in call


def killed(_call: str) -> BaseException:
    """End the Lambda."""
    return cloud.Killed()


def silence(call: str) -> BaseException:
    """Give no answer."""
    if is_providers(call):
        return ProviderTimeout(None, "/", "no answer")  # type: ignore[arg-type]
    return ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")


def denied(call: str) -> BaseException:
    """Let AWS deny the call, and a provider answer that something is wrong with it."""
    if is_providers(call):
        return Answered(504)
    return ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, call)


def accidents_of(call: str) -> list[tuple[str, Accident]]:
    """List what can happen before and after a call, as far as it makes a difference: reading leaves nothing behind."""
    if call.startswith(_READS):
        return [("before", denied), ("after", killed)]
    of_both: list[tuple[str, Accident]] = [("before", killed), ("after", killed), ("after", silence)]
    return [*of_both, ("before", silence), ("after", denied)] if is_providers(call) else [*of_both, ("before", denied)]


class Played:
    """Hold the providers that pay out."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._start: dict[str, messages.Provider] = {
            "paystack": Paystack(),
            "stellar": Stellar(),
            "stripe": Stripe(),
            "truelayer": TrueLayer(),
        }
        self.providers = copy.deepcopy(self._start)

    def remember(self) -> None:
        """Keep what they have now, to go back to it."""
        self._start = copy.deepcopy(self.providers)

    def restore(self) -> None:
        """Go back to what was remembered: payouts, and idempotency keys too."""
        self.providers = copy.deepcopy(self._start)

    def things(self, provider: str) -> dict[str, Any]:
        """Give all that a provider keeps."""
        return self.providers[provider].things

    def put(self, provider: str, thing_id: str, **members: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
        """Change a thing, or make it."""
        things = self.providers[provider].things
        things[thing_id] = {"id": thing_id, **things.get(thing_id, {}), **members}
        return things[thing_id]

    def answer(self, provider: str, method: str, address: str, headers: dict[str, str], body: bytes | None) -> Any:  # noqa: ANN401
        """Answer as `ProviderHttp` reads it."""
        path, _, query = address.partition("?")
        lowered = {name.lower(): value for name, value in headers.items()}
        request = messages.Request(method, path, dict(parse_qsl(query)), lowered, body or b"")
        answered = self.providers[provider].answer(request)
        return answered.status, json.dumps(answered.body).encode()


@contextmanager
def watched(
    played: Played, before: cloud.Operation = lambda _: None, after: cloud.Operation = lambda _: None
) -> Iterator[list[str]]:
    """Hear of every call to AWS and to a provider, before and after it; gives the list of the calls."""

    def exchange(http: ProviderHttp, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Any:  # noqa: ANN401
        provider = http._provider  # noqa: SLF001
        call = f"{method} {provider}{path.partition('?')[0]}"
        calls.append(call)
        try:
            before(call)
            answer = played.answer(provider, method, path, headers, body)
            after(call)
        except Answered as instead:
            return instead.status, b"{}"
        return answer

    with cloud.watched(before, after) as calls, patch.object(ProviderHttp, "_exchange", exchange):
        yield calls


def at(position: int, accident: Accident) -> cloud.Operation:
    """Raise at the call of that number, counted from zero."""
    seen = [0]

    def count(call: str) -> None:
        seen[0] += 1
        if seen[0] == position + 1:
            raise accident(call)

    return count
