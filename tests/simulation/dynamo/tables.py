"""Keep the items of one table, in every order in which they are asked for, and what changed."""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from zlib import crc32

from tests.simulation.dynamo.errors import invalid
from tests.simulation.dynamo.values import Item, Stored, Value, scalar, taken_value, value_bytes

Key = tuple[Any, ...]
"""The values of a table's keys, without their types: those are the table's."""

Place = tuple[Any, Key]
"""Where an item stands in a partition: its sort value, and its key where sort values are equal."""

MAX_HASH_BYTES: Final = 2048
MAX_RANGE_BYTES: Final = 1024

_NO_RANGE: Final = 0


@dataclass(frozen=True, slots=True)
class Schema:
    """Name the keys of a table or of an index, and how long the values may be."""

    hash_name: str
    range_name: str | None
    types: Mapping[str, str]

    @classmethod
    def read(cls, key_schema: Sequence[Mapping[str, str]], types: Mapping[str, str]) -> "Schema":
        """Read it as CreateTable is told."""
        roles = {part["KeyType"]: part["AttributeName"] for part in key_schema}
        return cls(roles["HASH"], roles.get("RANGE"), {name: types[name] for name in roles.values()})


class Order:
    """Keep keys by partition, and in each by sort value: the table's own order, or a global index's."""

    def __init__(self, schema: Schema) -> None:
        """Begin without items."""
        self.schema = schema
        self._partitions: dict[Any, list[Place]] = {}
        self._hash, self._range = schema.hash_name, schema.range_name
        self._hash_type = schema.types[self._hash]
        self._range_type = schema.types[self._range] if self._range else ""

    def partition(self, hash_value: Any) -> list[Place]:  # noqa: ANN401 (text, bytes or a number)
        """Give the places of a partition, in order."""
        return self._partitions.get(hash_value, [])

    def hash_of(self, value: Value) -> Any:  # noqa: ANN401 (text, bytes or a number)
        """Tell which partition a value leads to."""
        return scalar(self._hash_type, value[self._hash_type])

    def place(self, item: Item, key: Key) -> tuple[Any, Place] | None:
        """Tell where an item stands; nowhere when it lacks a key of the index."""
        hash_value = item.get(self._hash)
        if hash_value is None:
            return None
        if self._range is None:
            return self.hash_of(hash_value), (_NO_RANGE, key)
        range_value = item.get(self._range)
        if range_value is None:
            return None
        return self.hash_of(hash_value), (scalar(self._range_type, range_value[self._range_type]), key)

    def is_same(self, old: Item, new: Item) -> bool:
        """Tell whether both stand at the same place."""
        return old.get(self._hash) == new.get(self._hash) and (
            self._range is None or old.get(self._range) == new.get(self._range)
        )

    def move(self, old: Stored | None, new: Stored | None, key: Key) -> None:
        """Follow a change of an item."""
        if old and new and self.is_same(old.item, new.item):
            return
        before, after = old and self.place(old.item, key), new and self.place(new.item, key)
        if before:
            take_out(self._partitions[before[0]], before[1])
        if after:
            insort(self._partitions.setdefault(after[0], []), after[1])


def take_out(places: list[Place], place: Place) -> None:
    """Remove a place from a partition."""
    del places[bisect_left(places, place)]


class Change(NamedTuple):
    """Hold one record of a table's stream; its images are copies, each time they are asked for."""

    sequence: int
    key_names: tuple[str, ...]
    old: Stored | None
    new: Stored | None

    @property
    def key(self) -> Item:
        """Give the key as on the wire."""
        stored = self.new or self.old
        return {name: stored.item[name].copy() for name in self.key_names} if stored else {}

    @property
    def event_name(self) -> str:
        """Say what happened."""
        if self.old is None:
            return "INSERT"
        return "REMOVE" if self.new is None else "MODIFY"

    @property
    def old_image(self) -> Item | None:
        """Show the item as it was."""
        return self.old.copied() if self.old else None

    @property
    def new_image(self) -> Item | None:
        """Show the item as it is now."""
        return self.new.copied() if self.new else None


@dataclass(slots=True)
class Table:
    """Hold one table."""

    name: str
    order: Order
    indexes: dict[str, Order]
    description: dict[str, Any]
    rows: dict[Key, Stored] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    keys_of_changes: list[Key] = field(default_factory=list)
    locked: set[Key] = field(default_factory=set)
    scan_order: list[tuple[int, Key]] = field(default_factory=list)
    key_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Remember what is asked often."""
        schema = self.order.schema
        self.key_names = (schema.hash_name, schema.range_name) if schema.range_name else (schema.hash_name,)

    def key(self, sent: Mapping[str, Value]) -> Key:
        """Read the key that a caller sent, with nothing else in it."""
        if len(sent) != len(self.key_names):
            raise _wrong_key()
        return self.key_of(sent)

    def key_of(self, item: Mapping[str, Value]) -> Key:
        """Read the key within an item (AWS: "Constraints in Amazon DynamoDB", partition and sort keys)."""
        types = self.order.schema.types
        parts = []
        for name, most in zip(self.key_names, (MAX_HASH_BYTES, MAX_RANGE_BYTES), strict=False):
            content = item.get(name, _NOTHING).get(types[name])
            if content is None:
                raise _wrong_key()
            if type(content) is not str or types[name] == "N":
                content = scalar(types[name], taken_value(item[name])[types[name]])
            if types[name] != "N" and (not content or len(content) * 4 > most):
                check_key(name, item[name], most)
            parts.append(content)
        return tuple(parts)

    def check_item(self, item: Item) -> Key:
        """Read the key of an item that will be stored, and check it for the indexes."""
        self.check_indexes(item)
        for name, kind in self.order.schema.types.items():
            if name not in item:
                raise invalid(f"One or more parameter values were invalid: Missing the key {name} in the item")
            if kind not in item[name]:
                ((actual, _),) = item[name].items()
                raise invalid(
                    "One or more parameter values were invalid: "
                    f"Type mismatch for key {name} expected: {kind} actual: {actual}"
                )
        return self.key_of(item)

    def check_indexes(self, item: Item) -> None:
        """Refuse what cannot stand in an index (AWS: "Using Global Secondary Indexes in DynamoDB")."""
        for index_name, index in self.indexes.items():
            for name, kind in index.schema.types.items():
                value = item.get(name)
                if value is not None and not value.get(kind):
                    raise _unfit(index_name, name, kind, value)
                if value is not None and kind != "N" and len(value[kind]) * 4 > MAX_RANGE_BYTES:
                    check_key(name, value, MAX_HASH_BYTES if name == index.schema.hash_name else MAX_RANGE_BYTES)

    def write(self, key: Key, new: Stored | None) -> None:
        """Replace an item.

        Nothing is recorded when nothing changed (AWS: "Change data capture for DynamoDB Streams").
        """
        old = self.rows.get(key)
        if old is None and new is None:
            return
        if old and new and old.item == new.item:
            return
        if old is None or new is None:
            self.order.move(old, new, key)
            self.scan_order.clear()
        for index in self.indexes.values():
            index.move(old, new, key)
        if new is None:
            del self.rows[key]
        else:
            self.rows[key] = new
        self.changes.append(Change(len(self.changes) + 1, self.key_names, old, new))
        self.keys_of_changes.append(key)

    def before(self, lag: int) -> dict[Key, Stored | None]:
        """Tell what stood where the newest `lag` changes were made."""
        found: dict[Key, Stored | None] = {}
        for number in range(len(self.changes) - 1, max(-1, len(self.changes) - 1 - lag), -1):
            found[self.keys_of_changes[number]] = self.changes[number].old
        return found

    def scanned(self) -> list[tuple[int, Key]]:
        """Give all keys in the order of a scan: as good as random, and the same in every process."""
        if not self.scan_order:
            self.scan_order = sorted((scan_position(key), key) for key in self.rows)
        return self.scan_order


_NOTHING: Final[Value] = {}


def scan_position(key: Key) -> int:
    """Scatter partitions over 32 bits."""
    return crc32(key[0] if isinstance(key[0], bytes) else str(key[0]).encode())


def check_key(name: str, value: Value, most: int) -> None:
    """Refuse a key that is empty or too long."""
    ((kind, content),) = value.items()
    if not content:
        text = "string" if kind == "S" else "binary"
        raise invalid(
            "One or more parameter values are not valid. "
            f"The AttributeValue for a key attribute cannot contain an empty {text} value. Key: {name}"
        )
    if value_bytes(value) > most:
        role = "hash" if most == MAX_HASH_BYTES else "range"
        raise invalid(
            "One or more parameter values were invalid: "
            f"Aggregated size of all {role} keys has exceeded the size limit of {most} bytes"
        )


def _wrong_key() -> Exception:
    return invalid("The provided key element does not match the schema")


def _unfit(index_name: str, name: str, kind: str, value: Value) -> Exception:
    ((actual, _),) = value.items()
    if actual != kind:
        return invalid(
            f"One or more parameter values were invalid: Type mismatch for Index Key {name} "
            f"Expected: {kind} Actual: {actual} IndexName: {index_name}"
        )
    text = "string" if kind == "S" else "binary"
    return invalid(
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
        f"The AttributeValue for a key attribute cannot contain an empty {text} value. "
        f"IndexName: {index_name}, IndexKey: {name}"
    )
