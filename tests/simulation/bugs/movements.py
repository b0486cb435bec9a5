"""Mistakes in how money moves, and in what makes a movement happen once."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, NoReturn

from pynamodb.constants import ALL_OLD
from pynamodb.exceptions import DoesNotExist
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from functions.transfers import handler as transfers_handler
from tallystick import http
from tallystick.adapters.dynamo import accounts as accounts_adapter
from tallystick.adapters.dynamo import book, items
from tallystick.adapters.dynamo.book import DynamoBook
from tallystick.adapters.dynamo.connection import M, is_applied, is_possible_key, troubles
from tallystick.adapters.dynamo.statements import DynamoStatements
from tallystick.adapters.dynamo.tables import AccountItem, TransferItem
from tallystick.adapters.dynamo.wallets import DynamoWallets
from tallystick.domain.accounts import Account, Entry
from tallystick.domain.errors import IdempotencyKeyVoided, InsufficientFunds, Refusal, StoreUnavailable
from tallystick.domain.posting import Change, Order, Plan, plan
from tallystick.domain.transfers import Claim, IdempotencyKey, Record, Tombstone, Transfer, client_key
from tallystick.services import ledger
from tallystick.services.ledger import Ledger, Movement
from tallystick.services.ports.ledger import CommitConflict, CommitRefused
from tallystick.services.ports.paging import Page
from tallystick.services.ports.statements import StatementQuery
from tallystick.services.ports.wallets import StatusChange
from tests.simulation.bugs import commits
from tests.simulation.bugs.commits import COMMIT
from tests.simulation.bugs.planting import Bug, Patch

HOUR_MS: Final = 3_600_000

_WRITE_HEAD: Final = book._write_head
_MARKER: Final = book._marker
_CHANGE_STATUS: Final = DynamoWallets.change_status
_ENTRIES: Final = DynamoStatements.entries


class _Reconditioned:
    """Hand writes on to a transaction, updates under another condition than they ask for."""

    def __init__(self, transaction: TransactWrite, condition: Condition | None) -> None:
        self._transaction, self._condition = transaction, condition
        self.save = transaction.save

    def update(self, model: Model, actions: list[Action], condition: object, return_values: str) -> None:
        del condition
        self._transaction.update(model, actions=actions, condition=self._condition, return_values=return_values)


def _head_under(condition_of: Callable[[Change, Plan], Condition | None]) -> Callable[[Any, Change, Plan], None]:
    def write_head(transaction: Any, change: Change, plan: Plan) -> None:  # noqa: ANN401 (see above)
        handed: Any = _Reconditioned(transaction, condition_of(change, plan))
        _WRITE_HEAD(handed, change, plan)

    return write_head


def _no_condition(_change: Change, _plan: Plan) -> None:
    return None


def _balance_and_status(change: Change, plan: Plan) -> Condition:
    accepted = AccountItem.status.is_in(*sorted(plan.accepted_statuses))
    condition: Condition = (AccountItem.balance == change.before.balance) & accepted
    return condition


def _version_and_balance(change: Change, _plan: Plan) -> Condition:
    before = change.before
    condition: Condition = (AccountItem.version == before.version) & (AccountItem.balance == before.balance)
    return condition


def _add_to_head(transaction: TransactWrite, change: Change, plan: Plan) -> None:
    """Let the store do the arithmetic, if there is enough."""
    after, entry = change.after, change.entry
    if after.account_id in plan.opened or entry is None or after.status is not change.before.status:
        _WRITE_HEAD(transaction, change, plan)
        return
    actions: list[Action] = [
        AccountItem.balance.add(entry.units),
        AccountItem.version.add(1),
        AccountItem.held.add(plan.order.held.get(after.account_id, 0)),
        AccountItem.head_hash.set(after.head_hash),
        AccountItem.head_time_ms.set(after.head_time_ms),
    ]
    enough = AccountItem.balance >= max(0, -entry.units)
    condition = enough & AccountItem.status.is_in(*sorted(plan.accepted_statuses))
    transaction.update(AccountItem(after.account_id), actions=actions, condition=condition, return_values=ALL_OLD)


def _credit_then_mark(self: DynamoBook, plan: Plan) -> None:
    standing = self.record(plan.transfer.claim.key.digest)
    if standing is not None:
        raise CommitRefused(standing)
    money = (commits.entries, commits.heads, commits.flow, commits.quota, commits.audit)
    commits.write(self._connection, money, plan)
    commits.write(self._connection, (commits.record,), plan)


def _claim_then_credit(self: DynamoBook, plan: Plan) -> None:
    commits.write(self._connection, (commits.record,), plan)
    try:
        money = (commits.entries, commits.heads, commits.flow, commits.quota, commits.audit)
        commits.write(self._connection, money, plan)
    except (CommitRefused, CommitConflict):
        with troubles():
            for item in commits.records(plan):
                item.delete()
        raise


def _any_cancel_is_duplicate(self: DynamoBook, plan: Plan) -> None:
    try:
        COMMIT(self, plan)
    except (CommitConflict, CommitRefused) as cancelled:
        raise CommitRefused(plan.transfer) from cancelled


def _conflict_is_final(self: DynamoBook, plan: Plan) -> None:
    try:
        COMMIT(self, plan)
    except CommitConflict as conflict:
        raise InsufficientFunds("The balance changed.") from conflict


def _no_answer_is_success(self: DynamoBook, plan: Plan) -> None:
    with suppress(StoreUnavailable):
        COMMIT(self, plan)


def _refuse(*, refusal: Refusal, **_: object) -> NoReturn:
    raise refusal


def _recall_as_fresh(of: Ledger, movement: Movement) -> ledger._Seen | None:
    accounts = of.memory.recall(movement.account_ids)
    return None if accounts is None else ledger._Seen(accounts, fresh=True)


def _marker_of_reversal(_reverses: str, reversed_by: str) -> TransferItem:
    return _MARKER(reversed_by, reversed_by)


def _key_of_nobody(_caller_id: str, header: str) -> IdempotencyKey:
    return client_key("", header)


def _put_over_old(transaction: TransactWrite, item: TransferItem) -> None:
    is_new = TransferItem.transfer_key.does_not_exist()
    if item.created_at_ms is not None:
        is_new = is_new | (TransferItem.created_at_ms < item.created_at_ms - HOUR_MS)
    transaction.save(item, condition=is_new, return_values=ALL_OLD)


def _put_over_tombstone(transaction: TransactWrite, item: TransferItem) -> None:
    is_unused = TransferItem.transfer_key.does_not_exist() | (TransferItem.item == items.VOID)
    transaction.save(item, condition=is_unused, return_values=ALL_OLD)


def _matching_by_key(record: Record, _claim: Claim) -> Transfer:
    if isinstance(record, Tombstone):
        raise IdempotencyKeyVoided
    return record


def _void_after_look(self: DynamoBook, tombstone: Tombstone) -> None:
    standing = self.record(tombstone.claim.key.digest)
    if standing is not None:
        raise CommitRefused(standing)
    transaction = TransactWrite(connection=self._connection)
    transaction.save(items.tombstone_item(tombstone))
    book._send(transaction)


def _plan_now(order: Order, accounts: Mapping[str, Account], now_ms: int) -> Plan:
    return plan(order, {key: replace(one, head_time_ms=0) for key, one in accounts.items()}, now_ms)


def _close_after_look(self: DynamoWallets, change: StatusChange) -> tuple[bool, Account]:
    standing = self._standing(change.account_id)
    if not change.fits(standing):
        return False, standing
    return _CHANGE_STATUS(self, replace(change, only_empty=False))


def _close_unless_balance(self: DynamoWallets, change: StatusChange) -> tuple[bool, Account]:
    if not change.only_empty:
        return _CHANGE_STATUS(self, change)
    item, empty = AccountItem(change.account_id), AccountItem.balance == 0
    condition = AccountItem.status.is_in(*sorted(change.expected)) & empty
    if is_applied(lambda: item.update(actions=[AccountItem.status.set(change.status)], condition=condition)):
        return True, items.account(item)
    return False, self._standing(change.account_id)


def _first_answer(account_ids: Sequence[str]) -> list[AccountItem]:
    keys = [{"account_id": {"S": account_id}} for account_id in account_ids]
    with troubles():
        page, _unprocessed = AccountItem._batch_get_page(keys, consistent_read=True, attributes_to_get=None)
        return [AccountItem.from_raw_data(item) for item in page]


def _read_from_replica(model: type[M], key: str) -> M | None:
    if not is_possible_key(key):
        return None
    with troubles():
        try:
            return model.get(key)
        except DoesNotExist:
            return None


def _first_page(self: DynamoStatements, query: StatementQuery) -> Page[Entry]:
    return Page(_ENTRIES(self, query).items)


BUGS: Final = (
    Bug(
        name="check-then-act",
        what="The new balance is worked out from the one that was read and written without a condition.",
        breaks="Balances are the sum of their entries: of two movements of one wallet at once, or after another Lambda"
        " has moved it, the later write undoes the earlier one.",
        area="movements",
        patches=(Patch(book, "_write_head", _head_under(_no_condition)),),
    ),
    Bug(
        name="version-dropped",
        what="The condition on an account asks for the balance that was seen and no more for its version.",
        breaks="Entries are a gap-free chain: when a Lambda remembers a balance that others have left and come back to"
        " (+5, -5), its next entry takes a number that is taken.",
        area="movements",
        patches=(Patch(book, "_write_head", _head_under(_balance_and_status)),),
    ),
    Bug(
        name="status-dropped",
        what="The condition on an account asks for no status: it was checked when the account was read.",
        breaks="Nothing moves a frozen or closed wallet: freezing changes no version, so a Lambda that remembers the"
        " wallet as active, or has just read it, moves it all the same.",
        area="movements",
        patches=(Patch(book, "_write_head", _head_under(_version_and_balance)),),
    ),
    Bug(
        name="head-hash-not-in-condition",
        what="The store adds to the balance if there is enough; version and head hash are no condition.",
        breaks="Entries are a chain: balances are right, but of two movements at once, or with a stale memory, both"
        " entries follow the same one.",
        area="movements",
        patches=(Patch(book, "_write_head", _add_to_head),),
    ),
    Bug(
        name="entries-after",
        what="The entries are put in a second transaction, after the one with the record and the balances.",
        breaks="Balances are the sum of their entries: a kill, an error or a conflict between the two loses entries.",
        area="movements",
        patches=(
            Patch(
                DynamoBook,
                "commit",
                commits.commit_in(
                    lambda plan: plan.entries,
                    (commits.record, commits.heads, commits.flow, commits.quota, commits.audit),
                    (commits.entries,),
                ),
            ),
        ),
    ),
    Bug(
        name="entries-put-over",
        what="The entries are put first, without `does_not_exist`: a retry was to write the same ones again.",
        breaks="Every entry has its transfer: what is refused after that (a stale memory, a duplicate, a kill) leaves"
        " entries of no movement.",
        area="movements",
        patches=(
            Patch(
                DynamoBook,
                "commit",
                commits.commit_in(
                    lambda plan: plan.entries,
                    (commits.entries_over,),
                    (commits.record, commits.heads, commits.flow, commits.quota, commits.audit),
                ),
            ),
        ),
    ),
    Bug(
        name="credit-then-mark",
        what="The key is looked up, then the money is moved, then the record is put under the key in another write.",
        breaks="A key moves money once: a kill or an error between the two writes, or a duplicate at the same time,"
        " moves it twice.",
        area="movements",
        patches=(Patch(DynamoBook, "commit", _credit_then_mark),),
    ),
    Bug(
        name="claim-then-credit",
        what="The record is put under the key first, then the money is moved in another write; a refusal takes the"
        " record away again.",
        breaks="What was answered 201 has happened: a kill or an error between the two writes leaves a record without"
        " entries, and every retry is answered from it.",
        area="movements",
        patches=(Patch(DynamoBook, "commit", _claim_then_credit),),
    ),
    Bug(
        name="any-cancel-is-duplicate",
        what="Every TransactionCanceledException is taken for a duplicate of the same request.",
        breaks="What was answered 201 has happened: a stale memory or a TransactionConflict is answered as a replay of"
        " a movement that was never made.",
        area="movements",
        patches=(Patch(DynamoBook, "commit", _any_cancel_is_duplicate),),
    ),
    Bug(
        name="conflict-is-final",
        what="A TransactionConflict is reported as a failed condition on the balance.",
        breaks="Refusals are true: under a TransactionConflict a client with enough money hears insufficient-funds.",
        area="movements",
        patches=(Patch(DynamoBook, "commit", _conflict_is_final),),
    ),
    Bug(
        name="no-answer-is-success",
        what="A commit whose answer is lost counts as done.",
        breaks="What was answered 201 has happened: an error before the write was applied is answered as a success.",
        area="movements",
        patches=(Patch(DynamoBook, "commit", _no_answer_is_success),),
    ),
    Bug(
        name="replay-after-overdraw",
        what="A refusal is answered without a look at what stands under the key.",
        breaks="A valid retry is a replay: one that comes when the money is spent is refused as insufficient funds.",
        area="movements",
        patches=(Patch(ledger, "replay_or_refuse", _refuse),),
    ),
    Bug(
        name="refused-from-memory",
        what="What a Lambda remembers of an account is good enough to refuse on.",
        breaks="Refusals are true: a Lambda that has not seen another one's credit refuses a debit.",
        area="movements",
        patches=(Patch(ledger, "_recall", _recall_as_fresh),),
    ),
    Bug(
        name="record-from-replica",
        what="What stands under a key is read without ConsistentRead.",
        breaks="A valid retry is a replay: on a replica that lags it is not seen, and refused when the money is spent.",
        area="movements",
        patches=(Patch(book, "read_one", _read_from_replica),),
    ),
    Bug(
        name="account-from-replica",
        what="An account is read without ConsistentRead.",
        breaks="Refusals are true: from a replica that lags, money that was credited before is not there.",
        area="movements",
        patches=(Patch(accounts_adapter, "read_one", _read_from_replica),),
    ),
    Bug(
        name="marker-of-the-wrong-transfer",
        what="A reversal's marker is derived from the reversal, not from the transfer that it undoes.",
        breaks="A transfer is reversed once: a second reversal under another key undoes it again.",
        area="movements",
        patches=(Patch(book, "_marker", _marker_of_reversal),),
    ),
    Bug(
        name="key-without-caller",
        what="The idempotency key is the header alone, without who sent it.",
        breaks="Keys are each caller's own: of two callers that send the same header one is refused, or is answered"
        " with the other's transfer.",
        area="movements",
        patches=(Patch(http, "client_key", _key_of_nobody), Patch(transfers_handler, "client_key", _key_of_nobody)),
    ),
    Bug(
        name="key-forgotten",
        what="A record that is more than an hour old does not count any more.",
        breaks="A key moves money once, for ever: a client that tries again the next day moves it a second time.",
        area="movements",
        patches=(Patch(book, "_put_new", _put_over_old),),
    ),
    Bug(
        name="fingerprint-ignored",
        what="A replay is answered whatever the request is.",
        breaks="A key stands for one request: another one under it is answered 201 and never carried out.",
        area="movements",
        patches=(Patch(ledger, "_matching", _matching_by_key),),
    ),
    Bug(
        name="tombstone-ignored",
        what="A tombstone counts as an unused key.",
        breaks="A voided key never moves money: a late retry under it does.",
        area="movements",
        patches=(Patch(book, "_put_new", _put_over_tombstone),),
    ),
    Bug(
        name="void-after-look",
        what="Voiding looks whether the key is unused, then puts the tombstone without a condition.",
        breaks="Records are written once: a movement that commits between the two loses its record.",
        area="movements",
        patches=(Patch(DynamoBook, "void", _void_after_look),),
    ),
    Bug(
        name="time-of-this-clock",
        what="An entry's time is this Lambda's own, even when the account has a newer entry.",
        breaks="Entries are ordered by their times: with a clock that is behind, one goes back in time.",
        area="movements",
        patches=(Patch(ledger, "plan", _plan_now),),
    ),
    Bug(
        name="close-after-look",
        what="Closing looks whether the wallet is empty, then closes it whatever is in it.",
        breaks="A closed wallet is empty: a credit between the two is locked in.",
        area="movements",
        patches=(Patch(DynamoWallets, "change_status", _close_after_look),),
    ),
    Bug(
        name="closed-while-held",
        what="Closing a wallet asks for a balance of zero, and not for nothing on hold.",
        breaks="A wallet with money on hold stays open: one whose whole balance is on hold can be closed.",
        area="movements",
        patches=(Patch(DynamoWallets, "change_status", _close_unless_balance),),
    ),
    Bug(
        name="unprocessed-wallets-missing",
        what="What BatchGetItem leaves in UnprocessedKeys is taken for missing.",
        breaks="Refusals are true: with a partial answer a transfer between two wallets is answered 404.",
        area="movements",
        patches=(Patch(accounts_adapter, "_several", _first_answer),),
    ),
    Bug(
        name="statement-of-one-page",
        what="A statement's page has no cursor to the next one.",
        breaks="A statement shows all entries: a client that asks for fewer than there are never sees the rest.",
        area="movements",
        patches=(Patch(DynamoStatements, "entries", _first_page),),
    ),
)
