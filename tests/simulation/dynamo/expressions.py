"""Turn expressions into functions, once for each text: the product says few things very often."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import ge, gt, le, lt
from typing import Any, Final

from tests.simulation.dynamo.errors import invalid
from tests.simulation.dynamo.grammar import (
    Action,
    Call,
    Comparison,
    IfNotExists,
    Logic,
    Node,
    Operand,
    Path,
    Placeholder,
    Reader,
    Size,
    Sum,
)
from tests.simulation.dynamo.values import Item, Value, added, scalar, taken_value

Values = Mapping[str, Value]
Condition = Callable[[Item, Values], bool]
Update = Callable[[Item, Values], Item]
Getter = Callable[[Item, Values], Value | None]

NO_ITEM: Final[Item] = {}
"""What a condition is asked of when there is no item."""

_ORDERED: Final = {"<": lt, "<=": le, ">": gt, ">=": ge}
_WRONG_TYPE: Final = "An operand in the update expression has an incorrect data type"


@dataclass(frozen=True, slots=True)
class Term:
    """Hold what a query asks of one key."""

    name: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Hold the expressions of one request, ready to use."""

    condition: Condition | None
    update: Update | None
    updated: frozenset[str]
    terms: tuple[Term, ...]
    filter: Condition | None
    filtered: frozenset[str]
    projection: tuple[str, ...] | None
    values: frozenset[str]


def planned(parameters: Mapping[str, Any]) -> tuple[Plan, Values]:
    """Read the expressions of a request, and the values for them."""
    get = parameters.get
    names = get("ExpressionAttributeNames")
    plan = _plan(
        get("ConditionExpression"),
        get("UpdateExpression"),
        get("KeyConditionExpression"),
        get("FilterExpression"),
        get("ProjectionExpression"),
        tuple(names.items()) if names else (),
    )
    values = {name: taken_value(value) for name, value in get("ExpressionAttributeValues", NO_ITEM).items()}
    if values.keys() != plan.values:
        raise _mismatch(plan.values, values)
    return plan, values


def _mismatch(used: frozenset[str], given: Values) -> Exception:
    for name in sorted(used - given.keys()):
        return invalid(
            "Invalid expression: An expression attribute value used in expression is not defined; "
            f"attribute value: {name}"
        )
    unused = ", ".join(sorted(given.keys() - used))
    return invalid(f"Value provided in ExpressionAttributeValues unused in expressions: keys: {{{unused}}}")


@cache
def _plan(
    condition: str | None,
    update: str | None,
    key: str | None,
    filtered: str | None,
    projection: str | None,
    names: tuple[tuple[str, str], ...],
) -> Plan:
    known = dict(names)
    readers: list[Reader] = []

    def read(slot: str, text: str | None) -> Reader | None:
        if text is None:
            return None
        readers.append(Reader(slot, text, known))
        return readers[-1]

    conditions, updates = read("ConditionExpression", condition), read("UpdateExpression", update)
    keys, filters = read("KeyConditionExpression", key), read("FilterExpression", filtered)
    projections = read("ProjectionExpression", projection)
    actions = updates.update() if updates else []
    plan = Plan(
        condition=_condition(conditions.condition()) if conditions else None,
        update=_update(actions) if updates else None,
        updated=frozenset(action.target for action in actions),
        terms=tuple(_terms(keys.condition())) if keys else (),
        filter=_condition(filters.condition()) if filters else None,
        filtered=frozenset(filters.attributes if filters else ()),
        projection=tuple(projections.projection()) if projections else None,
        values=frozenset[str]().union(*(reader.used_values for reader in readers)),
    )
    unused = known.keys() - set[str]().union(*(reader.used_names for reader in readers))
    if unused:
        listed = ", ".join(sorted(unused))
        raise invalid(f"Value provided in ExpressionAttributeNames unused in expressions: keys: {{{listed}}}")
    return plan


def _terms(node: Node) -> list[Term]:
    """Take a key condition apart."""
    match node:
        case Logic("AND", members):
            return [term for member in members for term in _terms(member)]
        case Comparison(operator, Path() as path, right) if operator not in ("<>", "IN"):
            return [Term(path.name, operator, tuple(map(_placeholder, right)))]
        case Call("begins_with", path, Placeholder(name)):
            return [Term(path.name, "begins_with", (name,))]
    raise invalid(f"Invalid KeyConditionExpression: Invalid operator used in KeyConditionExpression: {node}")


def _placeholder(operand: Operand) -> str:
    if not isinstance(operand, Placeholder):
        raise NotImplementedError(f"a key compared with {operand}")
    return operand.name


def _condition(node: Node) -> Condition:
    match node:
        case Logic():
            return _logic(node)
        case Call():
            return _call(node)
        case Comparison("BETWEEN", left, (low, high)):
            return _between(_getter(left), _getter(low), _getter(high))
        case Comparison("IN", left, choices):
            return _among(_getter(left), tuple(map(_getter, choices)))
    return _compared(node.operator, _getter(node.left), _getter(node.right[0]))


def _logic(node: Logic) -> Condition:
    members = tuple(map(_condition, node.members))
    if node.operator == "NOT":
        (member,) = members
        return lambda item, values: not member(item, values)
    if node.operator == "AND":
        return lambda item, values: all(member(item, values) for member in members)
    return lambda item, values: any(member(item, values) for member in members)


def _call(node: Call) -> Condition:
    get = _getter(node.path)
    if node.name == "attribute_exists":
        return lambda item, values: get(item, values) is not None
    if node.name == "attribute_not_exists":
        return lambda item, values: get(item, values) is None
    if node.argument is None:
        raise NotImplementedError(node.name)
    wanted = _getter(node.argument)
    ask = _begins if node.name == "begins_with" else _contains
    return lambda item, values: ask(get(item, values), wanted(item, values))


def _begins(value: Value | None, prefix: Value | None) -> bool:
    if prefix is None:
        return False
    ((kind, start),) = prefix.items()
    if kind not in ("S", "B"):
        raise invalid(
            "Invalid expression: Incorrect operand type for operator or function; "
            f"operator or function: begins_with, operand type: {kind}"
        )
    if value is None:
        return False
    if kind not in value:
        raise NotImplementedError(f"begins_with of {value}")
    return bool(value[kind].startswith(start))


def _contains(value: Value | None, wanted: Value | None) -> bool:
    if value is None or wanted is None:
        return False
    ((kind, content),) = value.items()
    if kind == "L":
        return wanted in content
    return any(single in wanted and wanted[single] in content for single in _WITHIN.get(kind, ()))


_WITHIN: Final = {"S": ("S",), "SS": ("S",), "NS": ("N",), "B": ("B",)}
"""What may be contained in what, beside the members of a list."""


def _compared(operator: str, left: Getter, right: Getter) -> Condition:
    if operator == "=":
        # What is not there equals nothing, not even itself.
        return lambda item, values: left(item, values) == right(item, values) is not None
    if operator == "<>":
        return lambda item, values: left(item, values) != right(item, values)
    ordered = _ORDERED[operator]
    return lambda item, values: _in_order(ordered, left(item, values), right(item, values))


def _between(value: Getter, low: Getter, high: Getter) -> Condition:
    def ask(item: Item, values: Values) -> bool:
        least, found, most = low(item, values), value(item, values), high(item, values)
        check_bounds(least, most)
        return _in_order(le, least, found) and _in_order(le, found, most)

    return ask


def check_bounds(low: Value | None, high: Value | None) -> None:
    """Refuse bounds that are the wrong way round."""
    if low is not None and high is not None and _in_order(gt, low, high):
        raise invalid(
            "Invalid expression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            f"lower bound operand: AttributeValue: {low}, upper bound operand: AttributeValue: {high}"
        )


def _among(value: Getter, choices: tuple[Getter, ...]) -> Condition:
    def ask(item: Item, values: Values) -> bool:
        found = value(item, values)
        return found is not None and any(found == choice(item, values) for choice in choices)

    return ask


def _in_order(ordered: Callable[[Any, Any], bool], first: Value | None, second: Value | None) -> bool:
    """Compare values of one type; others, and what is not there, are in no order."""
    if first is None or second is None:
        return False
    ((kind, content),) = first.items()
    if kind not in second:
        return False
    if kind not in ("S", "N", "B"):
        raise NotImplementedError(f"the order of {kind}")
    return ordered(scalar(kind, content), scalar(kind, second[kind]))


def _getter(operand: Operand) -> Getter:
    match operand:
        case Placeholder(name):
            return lambda _, values: values[name]
        case Path((str(name),)):
            return lambda item, _: item.get(name)
        case Path(parts):
            return lambda item, _: _reached(item, parts)
        case Size(path):
            measured = _getter(path)
            return lambda item, values: _size(measured(item, values))
    raise NotImplementedError(f"{operand} in a condition")


def _reached(item: Item, parts: tuple[str | int, ...]) -> Value | None:
    found: Value | None = {"M": item}
    for part in parts:
        if found is None:
            return None
        if isinstance(part, str):
            found = found.get("M", {}).get(part)
        else:
            members = found.get("L", ())
            found = members[part] if part < len(members) else None
    return found


def _size(value: Value | None) -> Value | None:
    if value is None:
        return None
    ((kind, content),) = value.items()
    if kind in ("N", "BOOL", "NULL") or (kind == "S" and not content.isascii()):
        raise NotImplementedError(f"size of {value}")
    return {"N": str(len(content))}


def _update(actions: list[Action]) -> Update:
    # What is on the right is always of the item as it was before.
    changes = [(action.target, _change(action)) for action in actions if action.operand]
    removed = [action.target for action in actions if not action.operand]

    def apply(item: Item, values: Values) -> Item:
        after = item.copy()
        for name, change in changes:
            after[name] = change(item, values)
        for name in removed:
            after.pop(name, None)
        return after

    return apply


def _change(action: Action) -> Callable[[Item, Values], Value]:
    if action.operand is None:
        raise NotImplementedError(action)
    get = _term(action.operand)
    if action.clause == "SET":
        return get
    target = action.target
    return lambda item, values: _sum(item.get(target, _ZERO), get(item, values), 1)


_ZERO: Final[Value] = {"N": "0"}


def _term(operand: Operand) -> Callable[[Item, Values], Value]:
    match operand:
        case Sum(first, second, sign):
            left, right = _term(first), _term(second)
            return lambda item, values: _sum(left(item, values), right(item, values), sign)
        case IfNotExists(path, otherwise):
            there, other = _getter(path), _term(otherwise)
            return lambda item, values: there(item, values) or other(item, values)
        case Size():
            raise NotImplementedError(f"{operand} in an update")
    get = _getter(operand)

    def existing(item: Item, values: Values) -> Value:
        found = get(item, values)
        if found is None:
            raise invalid("The provided expression refers to an attribute that does not exist in the item")
        return found

    return existing


def _sum(first: Value, second: Value, sign: int) -> Value:
    for value in (first, second):
        if "SS" in value or "NS" in value:
            raise NotImplementedError("ADD to a set")
        if "N" not in value:
            raise invalid(_WRONG_TYPE)
    return {"N": added(first["N"], second["N"], sign)}
