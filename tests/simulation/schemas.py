"""Give the tables as the product declares them."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

from tallystick import wiring
from tallystick.adapters.dynamo.tables import MODELS


def names() -> Sequence[str]:
    """Name the tables."""
    return tuple(MODELS)


@cache
def all_tables() -> Sequence[Mapping[str, Any]]:
    """Give what CreateTable is asked for."""
    asked: list[Mapping[str, Any]] = []

    def take(_client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if operation == "CreateTable":
            asked.append(parameters)
        return {}

    wiring.tables()
    with patch.object(BaseClient, "_make_api_call", take):
        for model in MODELS.values():
            # PynamoDB asks first whether there is one.
            with patch.object(model, "exists", lambda: False):
                model.create_table(billing_mode="PAY_PER_REQUEST", wait=False)
    return tuple(asked)
