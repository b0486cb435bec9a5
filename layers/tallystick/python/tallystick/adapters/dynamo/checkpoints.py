"""Keep what reconciliation vouches for, in the audit: it is written once, and any change of it raises an alert."""

from collections.abc import Iterator
from contextlib import suppress

from pynamodb.connection import Connection
from pynamodb.expressions.update import Action

from tallystick.adapters.dynamo.connection import is_applied, troubles
from tallystick.adapters.dynamo.tables import AccountItem, CheckpointItem
from tallystick.adapters.dynamo.transactions import put_once
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.reconciliation import Checkpoint


class DynamoCheckpoints:
    """Implement `tallystick.services.ports.journal.Checkpoints` on the bound tables."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection that the tables are bound to."""
        self._connection = connection

    def newest(self, account_id: str, limit: int) -> list[Checkpoint]:
        """Query backwards."""
        with troubles():
            found = CheckpointItem.query(
                _subject(account_id), scan_index_forward=False, limit=limit, page_size=limit, consistent_read=True
            )
            return [_checkpoint(account_id, item) for item in found]

    def all(self, account_id: str) -> Iterator[Checkpoint]:
        """Query page by page."""
        with troubles():
            for item in CheckpointItem.query(_subject(account_id), consistent_read=True):
                yield _checkpoint(account_id, item)

    def vouch(self, checkpoint: Checkpoint) -> None:
        """Put a checkpoint unless it is there, then the account's word for it.

        Without that word the account is looked at again, which does no harm; so nobody waits for it.
        """
        put_once(self._connection, _item(checkpoint), is_new=CheckpointItem.subject.does_not_exist())
        account = AccountItem(checkpoint.account_id)
        word: list[Action] = [AccountItem.checked.set(checkpoint.mark), AccountItem.checked_in.set(checkpoint.run_id)]
        with suppress(StoreUnavailable):
            is_applied(lambda: account.update(actions=word, condition=AccountItem.account_id.exists()))

    def suspect(self, account_id: str, *, suspected: bool) -> None:
        """Set the mark that everybody sees."""
        account, action = AccountItem(account_id), AccountItem.needs_reconciliation.set(suspected)
        is_applied(lambda: account.update(actions=[action], condition=AccountItem.account_id.exists()))


def _subject(account_id: str) -> str:
    return f"checkpoint#{account_id}"


def _item(checkpoint: Checkpoint) -> CheckpointItem:
    return CheckpointItem(
        subject=_subject(checkpoint.account_id),
        action_key=f"{checkpoint.sequence:012d}",
        sequence=checkpoint.sequence,
        hash=checkpoint.hash,
        time_ms=checkpoint.time_ms,
        balance=checkpoint.balance,
        mark=checkpoint.mark,
        run_id=checkpoint.run_id,
    )


def _checkpoint(account_id: str, item: CheckpointItem) -> Checkpoint:
    return Checkpoint(
        account_id=account_id,
        sequence=item.sequence,
        hash=item.hash,
        time_ms=item.time_ms,
        balance=item.balance,
        mark=item.mark,
        run_id=item.run_id,
    )
