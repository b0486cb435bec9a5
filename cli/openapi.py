"""Generate the contract of the API from the functions' code."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

FUNCTIONS: Final = (
    "alerts",
    "auth",
    "credit",
    "dead_letters",
    "debit",
    "deposits",
    "differences",
    "docs",
    "health",
    "integrity",
    "statements",
    "transfers",
    "wallets",
    "withdrawals",
)
CONTRACT: Final = Path(__file__).parents[1] / "functions" / "docs" / "openapi.json"

_PUBLIC_TAGS: Final = frozenset({"assets", "auth", "health"})
_KEY_TAGS: Final = frozenset({"deposits", "movements", "withdrawals"})
_PROBLEM: Final = {
    "type": "object",
    "description": "RFC 9457; `type` is stable, further members depend on it (docs/api.md lists them).",
    "properties": {
        "type": {"type": "string", "examples": ["urn:tallystick:problem:insufficient-funds"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "instance"],
}
_IDEMPOTENCY_KEY: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": "^[!-~]([ -~]*[!-~])?$",
    "examples": ["invoice-42"],
}
_REFUSED: Final = {
    "description": "The request was refused or failed; nothing moved unless the key says otherwise.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_WEBHOOK: Final = {
    "tags": ["webhooks"],
    "summary": "Take an event of a payment provider's; its signature is what lets it in.",
    "operationId": "receive_webhook",
    "parameters": [
        {
            "name": "provider",
            "in": "path",
            "required": True,
            "schema": {"$ref": "#/components/schemas/Provider"},
        }
    ],
    "requestBody": {
        "required": True,
        "description": "The provider's own JSON, at most 1 MiB, with its own signature headers (docs/webhooks.md).",
        "content": {"application/json": {"schema": {}}},
    },
    "responses": {
        "200": {
            "description": "The event is kept and will be processed; the same answer when it was sent before.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"received": {"const": True}},
                        "required": ["received"],
                    }
                }
            },
        },
        "default": _REFUSED,
    },
    "security": [],
}
"""No resolver knows this call: its function has none, to start quickly."""


def build() -> str:
    """Merge what each function's resolver says about itself into one OpenAPI document."""
    paths: dict[str, Any] = {"/webhooks/{provider}": {"post": _WEBHOOK}}
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    for name in FUNCTIONS:
        app = importlib.import_module(f"functions.{name}.handler").app
        document = json.loads(app.get_openapi_json_schema(title="Tallystick", version="1"))
        for route in app._static_routes + app._dynamic_routes:  # noqa: SLF001 (Powertools leaves docstrings out)
            operation = document["paths"].get(route.openapi_path, {}).get(route.method.lower())
            if operation:
                paths.setdefault(route.openapi_path, {})[route.method.lower()] = _finished(operation, route.func)
        schemas |= document.get("components", {}).get("schemas", {})
    contract = {
        "openapi": "3.1.0",
        "info": {
            "title": "Tallystick",
            "version": "1",
            "description": "A wallet and payments ledger. Amounts are decimal strings; every call that moves or orders "
            "money needs an Idempotency-Key; errors are RFC 9457 problems.",
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {name: schemas[name] for name in sorted(schemas) if "ValidationError" not in name},
            "securitySchemes": {"access_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }
    return json.dumps(contract, indent=1) + "\n"


def _finished(operation: dict[str, Any], function: Callable[..., Any]) -> dict[str, Any]:
    """Say what the resolver cannot know: who may call, what a refusal looks like, where a key is demanded."""
    responses = {status: answer for status, answer in operation["responses"].items() if status != "422"}
    responses.get("204", {}).pop("content", None)
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header":
            required = bool(_KEY_TAGS & set(operation["tags"]))
            parameter |= {"name": "Idempotency-Key", "required": required, "schema": _IDEMPOTENCY_KEY}
    return operation | {
        "summary": function.__doc__,
        "operationId": function.__name__,
        "responses": responses | {"default": _REFUSED},
        "security": [] if _PUBLIC_TAGS & set(operation["tags"]) else [{"access_token": []}],
    }
