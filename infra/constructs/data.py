"""Create the ledger's tables. Names are generated, so that a table can be restored or replaced beside itself."""

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


class Data(Construct):
    """Hold accounts, and the two append-only tables whose streams show any change of history."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.accounts = self._table("Accounts", partition="account_id")
        self.accounts.add_global_secondary_index(
            index_name=OWNER_INDEX,
            partition_key=_text("owner_id"),
            sort_key=_text("created_at"),
            # Keys only: a movement changes none of them, so it writes nothing to the index.
            projection_type=ProjectionType.KEYS_ONLY,
        )
        self.entries = self._table("Entries", partition="account_id", sort="entry_key", watched=True)
        self.transfers = self._table("Transfers", partition="transfer_key", watched=True)

    def _table(self, name: str, *, partition: str, sort: str | None = None, watched: bool = False) -> Table:
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
        )


def _text(name: str) -> Attribute:
    return Attribute(name=name, type=AttributeType.STRING)
