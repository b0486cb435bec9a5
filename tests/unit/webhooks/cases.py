"""Read the cases that the vendors' own libraries signed, each with the verdict it has to have."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tallystick.adapters.providers.truelayer.seal import TrueLayerSeal
from tallystick.domain.webhooks import Delivery, Provider
from tallystick.services.ports.providers import Seal
from tests.support.sealed import SEALS, delivery

FIXTURES: Final = Path(__file__).parents[2] / "fixtures" / "providers"
FILES: Final = {provider: provider.value for provider in Provider} | {Provider.STELLAR: "stellar_sep24"}
TOLERANCE_S: Final = dict.fromkeys(Provider, 300) | {Provider.STELLAR: 120}


@dataclass(frozen=True)
class Case:
    """Hold one call and what is to be said of it: `genuine` or the reason of the forgery."""

    name: str
    call: Delivery
    expected: str
    seal: Seal
    keys: tuple[str, ...]


def fixture(provider: Provider) -> dict[str, Any]:
    """Read one provider's file."""
    content: dict[str, Any] = json.loads((FIXTURES / f"{FILES[provider]}.json").read_text())
    return content


def cases() -> Iterator[Case]:
    """Give every case of every provider, and the two Lambda events of each as further ones."""
    for provider in Provider:
        file = fixture(provider)
        for case in file["cases"]:
            request = file["request"] | case.get("request", {})
            call = _call(provider, case["body"].encode(), case["headers"], request)
            expected = (case["reason"] or "genuine").replace("_", "-").replace("stale-timestamp", "stale")
            yield Case(f"{provider}-{case['name']}", call, expected, _seal(provider, file), _keys(file))
        for name, event in file["lambda_v2_events"].items():
            body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
            call = _call(provider, body, event["headers"], file["request"])
            yield Case(f"{provider}-lambda-{name}", call, "genuine", _seal(provider, file), _keys(file))


def _call(provider: Provider, body: bytes, headers: Mapping[str, str], request: Mapping[str, str]) -> Delivery:
    return delivery(provider, body, headers, host=request.get("host", "unused.example.test"), path=request["path"])


def _seal(provider: Provider, file: dict[str, Any]) -> Seal:
    return TrueLayerSeal(file["keys"]["allowed_jku"]) if provider is Provider.TRUELAYER else SEALS[provider]


def _keys(file: dict[str, Any]) -> tuple[str, ...]:
    match file["keys"]:
        case {"jwks": {"keys": keys}}:
            return tuple(map(json.dumps, keys))
        case {"signing_key": key}:
            return (key,)
        case {"secrets": keys} | {"public_keys_pem": keys}:
            return tuple(keys)
    raise AssertionError(file["keys"])
