"""Read: GetItem, BatchGetItem, TransactGetItems, Query, Scan."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.simulation.dynamo import capacity
from tests.simulation.dynamo.errors import CONFLICT, cancelled, invalid, reason
from tests.simulation.dynamo.expressions import Plan, Term, Values, check_bounds, planned
from tests.simulation.dynamo.tables import MAX_HASH_BYTES, Key, Order, Place, Table, check_key, scan_position, take_out
from tests.simulation.dynamo.values import Item, Stored, scalar, taken_value

MAX_BATCH: Final = 100
MAX_PAGE_BYTES: Final = 1024 * 1024
MAX_BATCH_BYTES: Final = 16 * 1024 * 1024
MAX_TRANSACTION_BYTES: Final = 4 * 1024 * 1024
MAX_SEGMENTS: Final = 1_000_000

Overlay = Mapping[Key, Stored | None]
Find = Callable[[str], Table]

_NO_OVERLAY: Final[Overlay] = {}


def _overlay(table: Table, parameters: Mapping[str, Any], lag: int) -> Overlay:
    """Tell what an inconsistent read sees otherwise than it is (AWS: "Read consistency")."""
    return _NO_OVERLAY if parameters.get("ConsistentRead") or not lag else table.before(lag)


def _seen(table: Table, overlay: Overlay, key: Key) -> Stored | None:
    return overlay[key] if key in overlay else table.rows.get(key)


def _shown(stored: Stored, projection: Sequence[str] | None) -> Item:
    item = stored.copied()
    return item if projection is None else {name: item[name] for name in projection if name in item}


def get_item(find: Find, parameters: Mapping[str, Any], lag: int) -> dict[str, Any]:
    """Answer GetItem."""
    table = find(parameters["TableName"])
    plan, _ = planned(parameters)
    found = _seen(table, _overlay(table, parameters, lag), table.key(parameters["Key"]))
    answer: dict[str, Any] = {}
    if found:
        answer["Item"] = _shown(found, plan.projection)
    if capacity.wanted(parameters):
        units = capacity.read_units(found.size if found else 0, consistent=parameters.get("ConsistentRead", False))
        answer["ConsumedCapacity"] = {"TableName": table.name, "CapacityUnits": units}
    return answer


def batch_get_item(find: Find, parameters: Mapping[str, Any], lag: int, most: int | None) -> dict[str, Any]:
    """Answer BatchGetItem: `most` items at a time, in an order that is not that of the keys."""
    asked = parameters["RequestItems"]
    _check_batch(find, asked)
    left = MAX_BATCH if most is None else most
    responses: dict[str, list[Item]] = {}
    unprocessed: dict[str, dict[str, Any]] = {}
    consumed: list[dict[str, Any]] = []
    for name, part in asked.items():
        table = find(name)
        now, later = part["Keys"][:left], part["Keys"][left:]
        left -= len(now)
        if later:
            unprocessed[name] = {**part, "Keys": later}
        found = _batch(table, part, now, lag)
        responses[name] = [_shown(stored, planned(part)[0].projection) for stored in found if stored]
        sizes = [stored.size if stored else 0 for stored in found]
        if sum(sizes) > MAX_BATCH_BYTES:
            raise NotImplementedError("more than 16 MB in one batch")
        units = sum(capacity.read_units(size, consistent=part.get("ConsistentRead", False)) for size in sizes)
        consumed.append({"TableName": name, "CapacityUnits": units})
    answer = {"Responses": responses, "UnprocessedKeys": unprocessed}
    return answer | {"ConsumedCapacity": consumed} if capacity.wanted(parameters) else answer


def _check_batch(find: Find, asked: Mapping[str, Any]) -> None:
    count = sum(len(part["Keys"]) for part in asked.values())
    if not count:
        raise invalid("1 validation error detected: Value at 'RequestItems' failed to satisfy constraint")
    if count > MAX_BATCH:
        raise invalid("Too many items requested for the BatchGetItem call")
    for name, part in asked.items():
        keys = [find(name).key(key) for key in part["Keys"]]
        if len(set(keys)) < len(keys):
            raise invalid("Provided list of item keys contains duplicates")


def _batch(table: Table, part: Mapping[str, Any], keys: Iterable[Item], lag: int) -> list[Stored | None]:
    overlay = _overlay(table, part, lag)
    places = sorted((scan_position(key), key) for key in map(table.key, keys))
    return [_seen(table, overlay, key) for _, key in places]


def transact_get_items(find: Find, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Answer TransactGetItems: all as they are at one moment, or nothing while one of them is being written."""
    parts = [_get_of(member) for member in parameters["TransactItems"]]
    if not 0 < len(parts) <= MAX_BATCH:
        raise invalid("1 validation error detected: Value at 'transactItems' failed to satisfy constraint")
    asked = [(find(part["TableName"]), find(part["TableName"]).key(part["Key"])) for part in parts]
    if len({(table.name, key) for table, key in asked}) < len(asked):
        raise invalid("Transaction request cannot include multiple operations on one item")
    if any(key in table.locked for table, key in asked):
        raise cancelled([reason(CONFLICT) if key in table.locked else {"Code": "None"} for table, key in asked])
    found = [table.rows.get(key) for table, key in asked]
    if sum(stored.size for stored in found if stored) > MAX_TRANSACTION_BYTES:
        raise NotImplementedError("more than 4 MB in one transaction")
    answer: dict[str, Any] = {
        "Responses": [_shown_at_once(part, stored) if stored else {} for part, stored in zip(parts, found, strict=True)]
    }
    if capacity.wanted(parameters):
        units: dict[str, float] = {}
        for (table, _), stored in zip(asked, found, strict=True):
            cost = 2 * capacity.read_units(stored.size if stored else 0, consistent=True)
            units[table.name] = units.get(table.name, 0) + cost
        answer["ConsumedCapacity"] = [
            {"TableName": name, "CapacityUnits": cost, "ReadCapacityUnits": cost} for name, cost in units.items()
        ]
    return answer


def _shown_at_once(part: Mapping[str, Any], stored: Stored) -> dict[str, Any]:
    """Show an item; one of which nothing is asked for is left out."""
    item = _shown(stored, planned(part)[0].projection)
    return {"Item": item} if item else {}


def _get_of(member: Mapping[str, Any]) -> Mapping[str, Any]:
    ((operation, part),) = member.items()
    if operation != "Get":
        raise NotImplementedError(operation)
    get: Mapping[str, Any] = part
    return get


@dataclass(frozen=True, slots=True)
class _Source:
    """Say what is read: a table or one of its indexes, as somebody sees it."""

    table: Table
    index: Order | None
    overlay: Overlay

    @classmethod
    def of(cls, find: Find, parameters: Mapping[str, Any], lag: int) -> "_Source":
        table = find(parameters["TableName"])
        name = parameters.get("IndexName")
        if name is None:
            return cls(table, None, _overlay(table, parameters, lag))
        if name not in table.indexes:
            raise invalid(f"The table does not have the specified index: {name}")
        if parameters.get("ConsistentRead"):
            raise invalid("Consistent reads are not supported on global secondary indexes")
        return cls(table, table.indexes[name], _overlay(table, parameters, lag))

    @property
    def order(self) -> Order:
        return self.index or self.table.order

    def stored(self, key: Key) -> Stored:
        found = _seen(self.table, self.overlay, key)
        if found is None:
            raise KeyError(key)
        return capacity.projected(self.table, self.index, found) if self.index else found

    def partition(self, hash_value: Any) -> list[Place]:  # noqa: ANN401 (text, bytes or a number)
        places = self.order.partition(hash_value)
        if not self.overlay:
            return places
        places = places.copy()
        for key, old in self.overlay.items():
            now = self.table.rows.get(key)
            place = now and self.order.place(now.item, key)
            if place and place[0] == hash_value:
                take_out(places, place[1])
            place = old and self.order.place(old.item, key)
            if place and place[0] == hash_value:
                insort(places, place[1])
        return places

    def check_start(self, start: Item) -> tuple[Any, Place]:
        """Read where a page begins: after the item with these keys, whether or not it is still there."""
        names = {*self.table.key_names, *self.order.schema.types}
        if start.keys() != names:
            raise invalid("The provided starting key is invalid")
        item = {name: taken_value(value) for name, value in start.items()}
        for name, kind in {**self.table.order.schema.types, **self.order.schema.types}.items():
            if kind not in item[name]:
                raise invalid(
                    "The provided starting key is invalid: The provided key element does not match the schema"
                )
        place = self.order.place(item, self.table.key_of(item))
        if place is None:
            raise KeyError(start)
        return place

    def last_key(self, key: Key) -> Item:
        names = (*self.table.key_names, *self.order.schema.types)
        item = self.stored(key).item
        return {name: item[name].copy() for name in names}


def query(find: Find, parameters: Mapping[str, Any], lag: int) -> dict[str, Any]:
    """Answer Query (AWS: API_Query): Limit counts what is read, before the filter."""
    source = _Source.of(find, parameters, lag)
    plan, values = planned(parameters)
    hash_term, range_term = _roles(plan, source.order)
    for name in plan.filtered & source.order.schema.types.keys():
        raise invalid(f"Filter Expression can only contain non-primary key attributes: Primary key attribute: {name}")
    hash_value = taken_hash(source.order, hash_term, values)
    places = source.partition(hash_value)
    low, high = _bounds(places, range_term, source.order, values)
    is_forward = parameters.get("ScanIndexForward", True)
    start = parameters.get("ExclusiveStartKey")
    if start:
        partition, place = source.check_start(start)
        if partition != hash_value:
            raise invalid("The provided starting key is outside query boundaries based on provided conditions")
        if is_forward:
            low = max(low, bisect_right(places, place))
        else:
            high = min(high, bisect_left(places, place))
    limit = parameters.get("Limit", high - low)
    part = places[low : min(high, low + limit)] if is_forward else places[max(low, high - limit) : high][::-1]
    return _page(source, parameters, plan, values, [key for _, key in part])


def _roles(plan: Plan, order: Order) -> tuple[Term, Term | None]:
    schema = order.schema
    terms = {term.name: term for term in plan.terms}
    hash_term = terms.pop(schema.hash_name, None)
    if hash_term is None or hash_term.operator != "=":
        raise invalid(f"Query condition missed key schema element: {schema.hash_name}")
    range_term = terms.pop(schema.range_name or "", None)
    if terms or len(plan.terms) != 1 + (range_term is not None):
        raise invalid("Query key condition not supported")
    return hash_term, range_term


def taken_hash(order: Order, term: Term, values: Values) -> Any:  # noqa: ANN401 (text, bytes or a number)
    """Read which partition is asked for."""
    value = _key_value(order, term.name, values[term.values[0]])
    check_key(term.name, value, MAX_HASH_BYTES)
    return order.hash_of(value)


def _key_value(order: Order, name: str, value: Item) -> Any:  # noqa: ANN401 (a value)
    if order.schema.types[name] not in value:
        raise invalid("One or more parameter values were invalid: Condition parameter type does not match schema type")
    return value


def _bounds(places: list[Place], term: Term | None, order: Order, values: Values) -> tuple[int, int]:
    if term is None:
        return 0, len(places)
    kind = order.schema.types[term.name]
    given = [_key_value(order, term.name, values[name]) for name in term.values]
    if term.operator == "BETWEEN":
        check_bounds(given[0], given[1])
    limits = [scalar(kind, value[kind]) for value in given]
    return _BOUNDS[term.operator](places, *limits)


def _first(places: list[Place], limit: Any) -> int:  # noqa: ANN401 (a sort value)
    return bisect_left(places, limit, key=_sort_value)


def _after(places: list[Place], limit: Any) -> int:  # noqa: ANN401 (a sort value)
    return bisect_right(places, limit, key=_sort_value)


def _sort_value(place: Place) -> Any:  # noqa: ANN401 (a sort value)
    return place[0]


def _prefixed(places: list[Place], prefix: str) -> tuple[int, int]:
    low = _first(places, prefix)
    return low, bisect_left(places, True, lo=low, key=lambda place: not place[0].startswith(prefix))  # noqa: FBT003


_BOUNDS: Final[Mapping[str, Callable[..., tuple[int, int]]]] = {
    "=": lambda places, limit: (_first(places, limit), _after(places, limit)),
    "<": lambda places, limit: (0, _first(places, limit)),
    "<=": lambda places, limit: (0, _after(places, limit)),
    ">": lambda places, limit: (_after(places, limit), len(places)),
    ">=": lambda places, limit: (_first(places, limit), len(places)),
    "BETWEEN": lambda places, low, high: (_first(places, low), _after(places, high)),
    "begins_with": _prefixed,
}


def scan(find: Find, parameters: Mapping[str, Any], lag: int) -> dict[str, Any]:
    """Answer Scan of a table, or of one segment of it (AWS: API_Scan)."""
    if "IndexName" in parameters:
        raise NotImplementedError("a scan of an index")
    source = _Source.of(find, parameters, lag)
    plan, values = planned(parameters)
    places = source.table.scanned()
    if source.overlay:
        known = source.table.rows.keys() | source.overlay.keys()
        keys = [key for key in known if _seen(source.table, source.overlay, key)]
        places = sorted((scan_position(key), key) for key in keys)
    places = _segment(places, parameters)
    start = parameters.get("ExclusiveStartKey")
    if start:
        source.check_start(start)
        key = source.table.key(start)
        places = places[bisect_right(places, (scan_position(key), key)) :]
    return _page(source, parameters, plan, values, [key for _, key in places])


def _segment(places: list[tuple[int, Key]], parameters: Mapping[str, Any]) -> list[tuple[int, Key]]:
    segment, segments = parameters.get("Segment"), parameters.get("TotalSegments")
    if segment is None and segments is None:
        return places
    if segment is None or segments is None:
        raise invalid("The TotalSegments and Segment parameters are required together")
    if not 0 <= segment < segments <= MAX_SEGMENTS:
        raise invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments")
    return [place for place in places if place[0] * segments >> 32 == segment]


def _page(
    source: _Source, parameters: Mapping[str, Any], plan: Plan, values: Values, keys: Sequence[Key]
) -> dict[str, Any]:
    """Read up to Limit items or a megabyte; whoever stops there does not look whether more would follow."""
    limit = parameters.get("Limit", len(keys) + 1)
    if limit < 1:
        raise invalid("1 validation error detected: Value at 'Limit' failed to satisfy constraint")
    read: list[Stored] = []
    size = 0
    for key in keys:
        stored = source.stored(key)
        if read and size + stored.size > MAX_PAGE_BYTES:
            break
        read.append(stored)
        size += stored.size
        if len(read) == limit:
            break
    kept = [stored for stored in read if plan.filter is None or plan.filter(stored.item, values)]
    answer = _answer(parameters, kept, plan)
    answer |= {"Count": len(kept), "ScannedCount": len(read)}
    if len(read) == limit or len(read) < len(keys):
        answer["LastEvaluatedKey"] = source.last_key(keys[len(read) - 1])
    if capacity.wanted(parameters):
        units = capacity.read_units(size, consistent=parameters.get("ConsistentRead", False))
        answer["ConsumedCapacity"] = {"TableName": source.table.name, "CapacityUnits": units}
    return answer


def _answer(parameters: Mapping[str, Any], kept: list[Stored], plan: Plan) -> dict[str, Any]:
    if parameters.get("Select") == "COUNT":
        return {}
    if "Select" in parameters:
        raise NotImplementedError(parameters["Select"])
    return {"Items": [_shown(stored, plan.projection) for stored in kept]}
