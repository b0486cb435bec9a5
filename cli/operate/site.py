"""Reach a deployment's tables with an operator's credentials."""

import getpass
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from pynamodb.connection import Connection

from cli.operate.common import CannotRun
from tallystick.adapters.dynamo.tables import MODELS, TableNames, bind
from tallystick.services.repairing import Operator

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

_CONFIG: Final = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5})
_READS: Final = frozenset({"BatchGetItem", "GetItem", "Query", "Scan", "TransactGetItems"})


@dataclass(frozen=True, slots=True)
class Site:
    """Hold a connection to the tables of a deployment, which the models are bound to, and who operates it."""

    connection: Connection
    operator: Operator


class Meter:
    """Count the read units of a connection as DynamoDB reports them; threads may read at once."""

    def __init__(self, connection: Connection) -> None:
        """Listen from now on."""
        self.read_units = 0.0
        self._lock = threading.Lock()
        connection.client.meta.events.register("after-call.dynamodb", self._count)

    def _count(self, parsed: dict[str, Any], model: OperationModel, **_: object) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        if model.name in _READS:
            with self._lock:
                self.read_units += sum(
                    one.get("CapacityUnits", 0) for one in (consumed if isinstance(consumed, list) else [consumed])
                )


def open_site(stack: str | None, region: str | None) -> Site:
    """Reach the local cloud, or a stack with the credentials that the AWS SDK finds.

    Raises:
        LocalCloudError: the local cloud does not run.
        CannotRun: there is no such stack, or it is another one.
    """
    return _local() if stack is None else _on_aws(stack, region)


def _local() -> Site:
    from cli.local import cloud

    deployment = cloud.attach()
    operator = Operator(getpass.getuser(), socket.gethostname())
    return _site(deployment.client("dynamodb", _CONFIG), deployment.outputs, operator)


def _on_aws(stack: str, region: str | None) -> Site:
    import boto3

    session = boto3.Session(region_name=region)
    try:
        (described,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        raise CannotRun(f"The stack {stack} cannot be read: {error}") from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    caller = session.client("sts").get_caller_identity()["Arn"]
    return _site(session.client("dynamodb", config=_CONFIG), outputs, Operator(caller, socket.gethostname()))


def _site(client: "DynamoDBClient", outputs: Mapping[str, str], operator: Operator) -> Site:
    """Let the models use a client with an operator's credentials; threads may share it."""
    names = {name: outputs.get(f"{name.title()}Table") for name in MODELS}
    missing = sorted(name for name, table in names.items() if table is None)
    if missing:
        raise CannotRun(f"The deployment has no table for {', '.join(missing)}.")
    connection = Connection(region=client.meta.region_name)
    connection._client = client  # type: ignore[assignment] # noqa: SLF001 (PynamoDB has no public way)
    bind(TableNames(**names), connection)
    return Site(connection, operator)
