"""Create the functions of the API, each with no more rights and settings than it uses."""

import json
from collections.abc import Mapping

from constructs import Construct

from infra.constructs.data import OWNER_INDEX, Data
from infra.constructs.function import Platform, PythonFunction
from infra.constructs.identity import Identity
from infra.routes import API_FUNCTIONS
from infra.stage import Stage

# A Put or Update alone could not keep the books balanced, so none is allowed outside a transaction.
# The form is that of "Using IAM with DynamoDB transactions" (DynamoDB Developer Guide).
IN_TRANSACTION = {"ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": "TransactWriteItems"}}


class Functions(Construct):
    """Hold one function per concern."""

    def __init__(
        self, scope: Construct, construct_id: str, *, platform: Platform, data: Data, identity: Identity
    ) -> None:
        super().__init__(scope, construct_id)
        self._data = data
        environment = _environment(platform.stage, data, identity)
        self.by_name = {
            name: PythonFunction(
                self,
                name,
                platform=platform,
                environment=environment[name],
                description=f"Tallystick {platform.stage.name}: {name}",
            )
            for name in API_FUNCTIONS
        }
        self._allow_wallets(self.by_name["wallets"])
        for name in ("credit", "debit", "transfers"):
            self._allow_posting(self.by_name[name])
        self.by_name["transfers"].allow("dynamodb:BatchGetItem", on=[data.accounts.table_arn])
        self._allow_statements(self.by_name["statements"])
        self._allow_health(self.by_name["health"])

    def _allow_wallets(self, function: PythonFunction) -> None:
        accounts = self._data.accounts.table_arn
        function.allow(
            "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", on=[accounts]
        )
        function.allow("dynamodb:Query", on=[f"{accounts}/index/{OWNER_INDEX}"])

    def _allow_posting(self, function: PythonFunction) -> None:
        data = self._data
        function.allow("dynamodb:GetItem", on=[data.accounts.table_arn, data.transfers.table_arn])
        function.allow("dynamodb:UpdateItem", on=[data.accounts.table_arn], when=IN_TRANSACTION)
        function.allow("dynamodb:PutItem", on=[data.entries.table_arn, data.transfers.table_arn], when=IN_TRANSACTION)

    def _allow_statements(self, function: PythonFunction) -> None:
        function.allow("dynamodb:GetItem", on=[self._data.accounts.table_arn])
        function.allow("dynamodb:Query", on=[self._data.entries.table_arn])

    def _allow_health(self, function: PythonFunction) -> None:
        data = self._data
        tables = [data.accounts.table_arn, data.entries.table_arn, data.transfers.table_arn]
        function.allow("dynamodb:GetItem", on=tables)


def _environment(stage: Stage, data: Data, identity: Identity) -> Mapping[str, Mapping[str, str]]:
    """Say which settings each function reads."""
    assets = {"TALLYSTICK_ASSETS": _assets_json(stage)} if stage.assets is not None else {}
    accounts = {"TALLYSTICK_ACCOUNTS_TABLE": data.accounts.table_name}
    entries = {"TALLYSTICK_ENTRIES_TABLE": data.entries.table_name}
    transfers = {"TALLYSTICK_TRANSFERS_TABLE": data.transfers.table_name}
    tables = {**accounts, **entries, **transfers}
    posting = {**assets, **tables, "TALLYSTICK_SERVICE_LIMITS": json.dumps(stage.service_limits)}
    return {
        "wallets": {**assets, **accounts},
        "credit": posting,
        "debit": posting,
        "transfers": posting,
        "statements": {**assets, **accounts, **entries},
        "auth": {"TALLYSTICK_USER_POOL_CLIENT_ID": identity.client.user_pool_client_id},
        "health": tables,
        "docs": assets,
    }


def _assets_json(stage: Stage) -> str:
    return json.dumps({code: asset.model_dump() for code, asset in (stage.assets or {}).items()})
