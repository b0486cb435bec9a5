"""Open a deployment's tables with the operator's own rights."""

import os
from typing import Final
from urllib.parse import urlsplit

from pynamodb.connection import Connection

from cli.local.deployment import Deployment
from tallystick.adapters.dynamo.tables import MODELS, TableNames, bind

CONNECT_TIMEOUT_S: Final = 5
READ_TIMEOUT_S: Final = 30
"""A scan's page takes longer than anything that a function reads."""


def connect(deployment: Deployment) -> Connection:
    """Bind the tables to a deployment."""
    # Proxies of the environment must not get in between, and PynamoDB has no other way to say so.
    os.environ["NO_PROXY"] = str(urlsplit(deployment.endpoint_url).hostname)
    access = deployment.access
    connection = Connection(
        region=access.region,
        host=deployment.endpoint_url,
        connect_timeout_seconds=CONNECT_TIMEOUT_S,
        read_timeout_seconds=READ_TIMEOUT_S,
        aws_access_key_id=access.credentials["aws_access_key_id"],
        aws_secret_access_key=access.credentials["aws_secret_access_key"],
    )
    bind(TableNames(**{name: deployment.outputs[f"{name.title()}Table"] for name in MODELS}), connection)
    return connection
