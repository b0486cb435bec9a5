"""Build what the functions use, lazily and once a process; nothing is read or opened at import."""

import os
import secrets
from functools import cache
from typing import TYPE_CHECKING

from tallystick.adapters.clock import now_ms, pause
from tallystick.services.ledger import Ledger
from tallystick.settings import Settings, read_settings

if TYPE_CHECKING:
    from pynamodb.connection import Connection

    from tallystick.services.ports.alerts import Alerts
    from tallystick.services.ports.breakers import Breakers
    from tallystick.services.ports.identity import Identity
    from tallystick.services.ports.statements import Statements
    from tallystick.services.ports.wallets import Wallets

__all__ = [
    "alerts",
    "breakers",
    "identity",
    "latencies_ms",
    "ledger",
    "new_wallet_id",
    "now_ms",
    "region",
    "settings",
    "statements",
    "tables",
    "wallets",
]


@cache
def settings() -> Settings:
    """Read the environment."""
    return read_settings()


@cache
def ledger() -> Ledger:
    """Connect the ledger to its tables.

    Raises:
        ConfigurationError: a table's name is missing.
    """
    from tallystick.adapters.dynamo.book import DynamoBook

    return Ledger(
        book=DynamoBook(tables("accounts_table", "entries_table", "transfers_table")),
        pause=pause,
        service_limits=settings().service_limits,
    )


@cache
def wallets() -> "Wallets":
    """Connect to the accounts."""
    from tallystick.adapters.dynamo.wallets import DynamoWallets

    tables("accounts_table")
    return DynamoWallets()


@cache
def statements() -> "Statements":
    """Connect to the entries."""
    from tallystick.adapters.dynamo.statements import DynamoStatements

    tables("entries_table")
    return DynamoStatements()


@cache
def identity() -> "Identity":
    """Connect to the user pool."""
    from tallystick.adapters.cognito import CognitoIdentity

    (client_id,) = settings().require("user_pool_client_id")
    return CognitoIdentity(client_id, region())


def alerts() -> "Alerts":
    """Connect to what keeps alerts and reaches people."""
    from tallystick.wiring.alerting import kept_alerts

    return kept_alerts()


@cache
def breakers() -> "Breakers":
    """Connect to the circuit breakers."""
    from tallystick.adapters.dynamo.breakers import DynamoBreakers

    tables("operations_table")
    return DynamoBreakers()


def latencies_ms() -> dict[str, float | None]:
    """Try each table with one consistent read of an item that is not there; nothing where that fails."""
    from tallystick.adapters.dynamo.readiness import latencies_ms as measured
    from tallystick.adapters.dynamo.tables import TABLES

    tables(*(f"{name}_table" for name in TABLES))
    return measured(TABLES)


def new_wallet_id() -> str:
    """Make an id that cannot be guessed."""
    return f"wal_{secrets.token_hex(16)}"


def tables(*needed: str) -> "Connection":
    """Connect to the tables that a function has names for.

    Raises:
        ConfigurationError: one that is needed has none.
    """
    settings().require(*needed)
    return _connection()


@cache
def _connection() -> "Connection":
    """Open one connection for all tables that the function has a name for."""
    from tallystick.adapters.dynamo.connection import connect
    from tallystick.adapters.dynamo.tables import TABLES, TableNames, bind

    connection = connect(region())
    names = settings()
    table_names = {name: getattr(names, f"{name}_table") for name in TABLES}
    bind(TableNames(**table_names), connection)
    return connection


def region() -> str:
    """Say where the function runs."""
    return os.environ["AWS_REGION"]
