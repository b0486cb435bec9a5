"""Write several items at once, or in parts that a reader may see one by one (AWS: "DynamoDB Transactions")."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.simulation.dynamo import capacity
from tests.simulation.dynamo.errors import CONDITION_FAILED, CONFLICT, INVALID, Refused, cancelled, invalid, reason
from tests.simulation.dynamo.reads import MAX_BATCH, MAX_TRANSACTION_BYTES, Find
from tests.simulation.dynamo.values import Stored
from tests.simulation.dynamo.writes import CHECK, DELETE, PUT, UPDATE, Write

TOKEN_S: Final = 600
"""How long a ClientRequestToken is known after its transaction was completed (AWS: API_TransactWriteItems)."""

Outcome = tuple[Stored | None, Stored | None]
"""What was there, and what will be."""

_KINDS: Final = frozenset({PUT, UPDATE, DELETE, CHECK})
_NO_REASON: Final = "None"


class Commit:
    """Is a transaction that will happen: its items are locked, and become visible one by one, or all at the end.

    One that happened before under the same ClientRequestToken has nothing to show.
    """

    def __init__(
        self, writes: Sequence[Write], outcomes: Sequence[Outcome], done: Callable[[], dict[str, Any]]
    ) -> None:
        """Take the locks; `done` is called at the end and gives the answer."""
        self._writes = writes
        self._outcomes = outcomes
        self._done = done
        self._hidden = [number for number, write in enumerate(writes) if write.kind != CHECK]
        self._answer: dict[str, Any] | None = None
        for write in writes:
            write.table.locked.add(write.key)

    @property
    def hidden(self) -> list[int]:
        """List the numbers of the items whose change nobody sees yet."""
        return self._hidden.copy()

    def show(self, number: int) -> None:
        """Make one item visible."""
        self._hidden.remove(number)
        write = self._writes[number]
        write.table.write(write.key, self._outcomes[number][1])

    def finish(self) -> dict[str, Any]:
        """Make the rest visible and let the locks go; a second time it only answers again."""
        if self._answer is None:
            for number in self.hidden:
                self.show(number)
            for write in self._writes:
                write.table.locked.remove(write.key)
            self._answer = self._done()
        return self._answer


@dataclass(slots=True)
class _Known:
    """Remember what was sent with a ClientRequestToken; `done_at` is not there while it is under way."""

    writes: Sequence[Write]
    outcomes: Sequence[Outcome]
    done_at: float | None = None


class Transactions:
    """Begin transactions, and remember their tokens."""

    def __init__(self, find: Find, clock: Callable[[], float], hide: Callable[[int], bool]) -> None:
        """Take the time in seconds, and who decides which reasons are not told."""
        self._find = find
        self._clock = clock
        self._hide = hide
        self._known: dict[str, _Known] = {}

    def begin(self, parameters: Mapping[str, Any]) -> Commit:
        """Check a transaction and lock its items."""
        writes = list(self._read(parameters["TransactItems"]))
        is_costed = capacity.wanted(parameters)
        token = parameters.get("ClientRequestToken")
        before = self._before(token, writes)
        if before:
            return Commit((), (), lambda: _answer(_costs_again(before), is_costed=is_costed))
        known = _Known(writes, self._outcomes(writes))
        if token:
            self._known[token] = known

        def done() -> dict[str, Any]:
            known.done_at = self._clock()
            return _answer(_costs(known), is_costed=is_costed)

        return Commit(writes, known.outcomes, done)

    def _read(self, members: Sequence[Mapping[str, Any]]) -> Iterator[Write]:
        if not 0 < len(members) <= MAX_BATCH:
            raise invalid("1 validation error detected: Value at 'transactItems' failed to satisfy constraint")
        seen = set()
        for member in members:
            ((kind, parameters),) = member.items()
            if kind not in _KINDS:
                raise NotImplementedError(kind)
            write = Write.read(kind, self._find, parameters)
            if kind == CHECK and write.plan.condition is None:
                raise invalid("The ConditionExpression parameter is required for ConditionCheck")
            if (write.table.name, write.key) in seen:
                raise invalid("Transaction request cannot include multiple operations on one item")
            seen.add((write.table.name, write.key))
            yield write

    def _before(self, token: str | None, writes: Sequence[Write]) -> _Known | None:
        """Find the transaction that had this token; one under way, or with other contents, is refused."""
        known = self._known.get(token) if token else None
        if known is None or (known.done_at is not None and self._clock() - known.done_at >= TOKEN_S):
            return None
        if known.writes != writes:
            raise Refused(
                "IdempotentParameterMismatchException",
                "Request token already in use for another request with a different payload",
            )
        if known.done_at is None:
            raise Refused(
                "TransactionInProgressException",
                "The transaction with the given request token is already in progress.",
            )
        return known

    def _outcomes(self, writes: Sequence[Write]) -> list[Outcome]:
        """Make what will be there; what cannot be is a reason for each item, of which some may stay untold."""
        outcomes: list[Outcome] = []
        reasons: dict[int, dict[str, Any]] = {}
        for number, write in enumerate(writes):
            failure = _failure(write)
            if failure:
                reasons[number] = failure
                continue
            try:
                outcomes.append((write.old, write.result()))
            except Refused as refused:
                reasons[number] = reason(INVALID, refused.message)
        if reasons:
            told = self._told(reasons)
            raise cancelled([told.get(number, {"Code": _NO_REASON}) for number in range(len(writes))])
        if sum(new.size for _, new in outcomes if new) > MAX_TRANSACTION_BYTES:
            raise NotImplementedError("more than 4 MB in one transaction")
        return outcomes

    def _told(self, reasons: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
        """Hide reasons, but never all: DynamoDB does not promise to report every condition that fails."""
        told = {number: told for number, told in reasons.items() if not self._hide(number)}
        first = min(reasons)
        return told or {first: reasons[first]}


def _failure(write: Write) -> dict[str, Any] | None:
    if write.is_locked:
        return reason(CONFLICT)
    if write.may_happen():
        return None
    old = write.old
    told = reason(CONDITION_FAILED)
    return told | {"Item": old.copied()} if old and write.shows_old else told


def _answer(consumed: list[dict[str, Any]], *, is_costed: bool) -> dict[str, Any]:
    return {"ConsumedCapacity": consumed} if is_costed else {}


def _costs(known: _Known) -> list[dict[str, Any]]:
    """Add up the units of each table: twice those of single writes; indexes follow afterwards, at the usual price."""
    of_table: dict[str, float] = {}
    of_indexes: dict[str, float] = {}
    for write, (old, new) in zip(known.writes, known.outcomes, strict=True):
        name = write.table.name
        of_table[name] = of_table.get(name, 0) + 2 * capacity.write_units(old, new)
        of_indexes[name] = of_indexes.get(name, 0) + capacity.index_units(write.table, old, new)
    return [
        {"TableName": name, "CapacityUnits": units + of_indexes[name], "WriteCapacityUnits": units}
        for name, units in of_table.items()
    ]


def _costs_again(known: _Known) -> list[dict[str, Any]]:
    """Say what asking again costs: reading all items in a transaction (AWS: "DynamoDB Transactions", idempotency)."""
    units: dict[str, float] = {}
    for write, (old, new) in zip(known.writes, known.outcomes, strict=True):
        size = max(old.size if old else 0, new.size if new else 0)
        name = write.table.name
        units[name] = units.get(name, 0) + 2 * capacity.read_units(size, consistent=True)
    return [{"TableName": name, "CapacityUnits": cost, "ReadCapacityUnits": cost} for name, cost in units.items()]
