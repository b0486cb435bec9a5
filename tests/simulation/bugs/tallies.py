"""Mistakes in how the stream of transfers is added up."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from pynamodb.transactions import TransactWrite

from functions.tally import handler as tally_handler
from tallystick.adapters.dynamo import tallies as tallies_adapter
from tallystick.adapters.dynamo.tallies import DynamoTallies
from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.tallies import Addition, Rejected, Sheet, Tallied, buckets_since
from tallystick.domain.transfers import Transfer
from tallystick.services import tallying
from tallystick.services.ports.ledger import Pause
from tallystick.services.ports.tallies import Tallies, TallyConflict, TallyRefused
from tallystick.services.tallying import TallyOffice, tally
from tests.simulation.bugs.planting import Bug, Patch

_WRITE: Final = DynamoTallies.write
_SEND: Final = tallies_adapter._send


def _write_unmarked(self: DynamoTallies, sheet: Sheet) -> None:
    _WRITE(self, replace(sheet, transfer_keys=()))


def _tally_then_mark(self: DynamoTallies, sheet: Sheet) -> None:
    _check_unmarked(self, sheet)
    _WRITE(self, replace(sheet, transfer_keys=()))
    _WRITE(self, _markers(sheet))


def _mark_then_tally(self: DynamoTallies, sheet: Sheet) -> None:
    _WRITE(self, _markers(sheet))
    _WRITE(self, replace(sheet, transfer_keys=()))


def _check_unmarked(tallies: DynamoTallies, sheet: Sheet) -> None:
    if tallies.unmarked(sheet.transfer_keys) != {*sheet.transfer_keys}:
        raise TallyRefused


def _markers(sheet: Sheet) -> Sheet:
    return Sheet(sheet.transfer_keys, totals={}, buckets={}, credits={})


def _known_together(tallies: Tallies, pause: Pause, additions: Sequence[Addition]) -> Tallied:
    keys = frozenset(addition.transfer_key for addition in additions)
    if tallying._is_written(tallies, pause, additions):
        return Tallied(added=keys)
    unmarked = tallies.unmarked(keys)
    if unmarked != keys:
        return Tallied(known=keys)
    return _rejected(additions)


def _rejected_together(tallies: Tallies, pause: Pause, additions: Sequence[Addition]) -> Tallied:
    keys = frozenset(addition.transfer_key for addition in additions)
    if not keys or tallying._is_written(tallies, pause, additions):
        return Tallied(added=keys)
    unmarked = tallies.unmarked(keys)
    if unmarked != keys:
        rest = [addition for addition in additions if addition.transfer_key in unmarked]
        return Tallied(known=keys - unmarked).plus(_rejected_together(tallies, pause, rest))
    return _rejected(additions)


def _rejected(additions: Iterable[Addition]) -> Tallied:
    return Tallied(rejected=tuple(Rejected(one.transfer_key, "the store does not take the sum") for one in additions))


def _send_or_refuse(transaction: TransactWrite) -> None:
    try:
        _SEND(transaction)
    except TallyConflict as conflict:
        raise TallyRefused from conflict


def _tally_or_not(*, office: TallyOffice, transfers: Iterable[Transfer], unreadable: Iterable[Rejected]) -> Tallied:
    try:
        return tally(office=office, transfers=transfers, unreadable=unreadable)
    except StoreUnavailable:
        return Tallied()


def _buckets_after(cut_ms: int, now_ms: int) -> Sequence[int]:
    return buckets_since(cut_ms, now_ms)[1:]


BUGS: Final = (
    Bug(
        name="total-without-marker",
        what="Totals are added to without a marker of what is in them.",
        breaks="A total is what transfers post: a batch of the stream that comes again is added again.",
        area="tallies",
        patches=(Patch(DynamoTallies, "write", _write_unmarked),),
    ),
    Bug(
        name="tally-then-mark",
        what="Markers are looked for, totals are written, and the markers are put in another write.",
        breaks="A total is what transfers post: a kill or an error between the two writes, or one batch in two hands,"
        " adds it twice.",
        area="tallies",
        patches=(Patch(DynamoTallies, "write", _tally_then_mark),),
    ),
    Bug(
        name="mark-then-tally",
        what="The markers are put first, and the totals in another write.",
        breaks="A total is what transfers post: a kill or an error between the two writes loses what was marked.",
        area="tallies",
        patches=(Patch(DynamoTallies, "write", _mark_then_tally),),
    ),
    Bug(
        name="one-known-is-all-known",
        what="When one transfer of a batch was added before, all of it counts as added.",
        breaks="A total is what transfers post: of a batch that overlaps an earlier one the new transfers are lost.",
        area="tallies",
        patches=(Patch(tallying, "_add", _known_together),),
    ),
    Bug(
        name="poison-takes-neighbours",
        what="A batch that the store refuses is rejected as a whole, not halved.",
        breaks="What can be added is added: beside a transfer whose sum has too many digits its neighbours are lost.",
        area="tallies",
        patches=(Patch(tallying, "_add", _rejected_together),),
    ),
    Bug(
        name="tally-conflict-is-refusal",
        what="A TransactionConflict counts as a refusal of the sum.",
        breaks="What can be added is added: under a TransactionConflict a transfer is rejected for good.",
        area="tallies",
        patches=(Patch(tallies_adapter, "_send", _send_or_refuse),),
    ),
    Bug(
        name="failed-batch-is-success",
        what="A batch that could not be added is answered with no batchItemFailures.",
        breaks="A total is what transfers post: while the store does not answer, batches of the stream are lost.",
        area="tallies",
        patches=(Patch(tally_handler, "tally", _tally_or_not),),
    ),
    Bug(
        name="bucket-of-the-cut",
        what="The bucket that begins at the cut is not taken off a total.",
        breaks="Reconciliation raises no false alarm: what was added in the ten seconds after the cut counts as before"
        " it.",
        area="tallies",
        patches=(Patch(tallying, "buckets_since", _buckets_after),),
    ),
)
