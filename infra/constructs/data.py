"""Create the tables. Names are generated, so that a table can be restored or replaced beside itself."""

from collections.abc import Mapping

from aws_cdk.aws_dynamodb import (
    Attribute,
    AttributeType,
    BillingMode,
    PointInTimeRecoverySpecification,
    ProjectionType,
    StreamViewType,
    Table,
    TableEncryption,
)
from constructs import Construct

from infra.constructs.logs import removal_policy
from infra.stage import Stage

OWNER_INDEX = "owner-index"
DUE_INDEX = "due-index"
DEAD_INDEX = "dead-index"
OPEN_INDEX = "open-index"
LISTED_INDEX = "listed-index"
UNRECONCILED_INDEX = "unreconciled-index"
EXPIRES_AT = "expires_at_s"


class Data(Construct):
    """Hold the ledger, the flows and webhooks around it, and the append-only tables whose streams show any change."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.accounts = self._table("Accounts", partition="account_id")
        self._index(self.accounts, OWNER_INDEX, _text("owner_id"), _text("created_at"))
        self.entries = self._table("Entries", partition="account_id", sort="entry_key", watched=True)
        self.transfers = self._table("Transfers", partition="transfer_key", watched=True)
        self.flows = self._table("Flows", partition="flow_id")
        self._index(self.flows, OWNER_INDEX, _text("owner_id"), _text("created_at"))
        self._index(self.flows, OPEN_INDEX, _text("open"), _number("due_at_ms"))
        self._index(self.flows, UNRECONCILED_INDEX, _text("unreconciled"), _number("created_at_ms"))
        self.inbox = self._table("Inbox", partition="inbox_key")
        self._index(self.inbox, DUE_INDEX, _text("open"), _number("due_at_ms"))
        self._index(self.inbox, DEAD_INDEX, _text("dead"), _number("dead_at_ms"))
        self.audit = self._table("Audit", partition="subject", sort="action_key", watched=True)
        self.operations = self._table("Operations", partition="operation_key", expires_at=EXPIRES_AT)
        self._index(self.operations, LISTED_INDEX, _text("listed"), _number("listed_at_ms"))

    @property
    def by_name(self) -> Mapping[str, Table]:
        """Give every table by the name that settings have for it."""
        return {
            "accounts": self.accounts,
            "entries": self.entries,
            "transfers": self.transfers,
            "flows": self.flows,
            "inbox": self.inbox,
            "audit": self.audit,
            "operations": self.operations,
        }

    def _table(
        self,
        name: str,
        *,
        partition: str,
        sort: str | None = None,
        watched: bool = False,
        expires_at: str | None = None,
    ) -> Table:
        return Table(
            self,
            name,
            partition_key=_text(partition),
            sort_key=_text(sort) if sort else None,
            billing_mode=BillingMode.PAY_PER_REQUEST,
            encryption=TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=not self._stage.is_local
            ),
            deletion_protection=self._stage.keeps_data,
            removal_policy=removal_policy(self._stage),
            stream=StreamViewType.NEW_AND_OLD_IMAGES if watched else None,
            time_to_live_attribute=expires_at,
        )

    def _index(self, table: Table, name: str, partition: Attribute, sort: Attribute) -> None:
        """Add an index of keys only: a change of anything else writes nothing to it."""
        table.add_global_secondary_index(
            index_name=name, partition_key=partition, sort_key=sort, projection_type=ProjectionType.KEYS_ONLY
        )


def _text(name: str) -> Attribute:
    return Attribute(name=name, type=AttributeType.STRING)


def _number(name: str) -> Attribute:
    return Attribute(name=name, type=AttributeType.NUMBER)
