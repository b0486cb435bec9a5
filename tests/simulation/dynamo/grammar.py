"""Read the text of expressions.

AWS: "Condition and filter expressions, operators, and functions", "Update expressions".
What is outside of what the product says raises NotImplementedError.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar, Union

from tests.simulation.dynamo.errors import invalid

T = TypeVar("T")

MAX_BYTES: Final = 4096
MAX_CHOICES: Final = 100
COMPARATORS: Final = frozenset({"=", "<>", "<", "<=", ">", ">="})
FUNCTIONS: Final = frozenset({"attribute_exists", "attribute_not_exists", "begins_with", "contains"})

_END: Final = ""
_TOKEN: Final = re.compile(r"\s*([#:]?\w+|<>|<=|>=|[=<>(),.\[\]+\-])")


@dataclass(frozen=True, slots=True)
class Path:
    """Name an attribute, or a member within one."""

    parts: tuple[str | int, ...]

    @property
    def name(self) -> str:
        """Give the name of an attribute; members have none."""
        if len(self.parts) > 1:
            raise NotImplementedError(f"a member of an attribute: {self.parts}")
        return str(self.parts[0])


@dataclass(frozen=True, slots=True)
class Placeholder:
    """Stand for a value of the request."""

    name: str


@dataclass(frozen=True, slots=True)
class Size:
    """Ask how long an attribute is."""

    path: Path


@dataclass(frozen=True, slots=True)
class IfNotExists:
    """Take an attribute, or else something else."""

    path: Path
    otherwise: "Operand"


@dataclass(frozen=True, slots=True)
class Sum:
    """Add two numbers, or subtract the second one."""

    first: "Operand"
    second: "Operand"
    sign: int


Operand = Union[Path, Placeholder, Size, IfNotExists, Sum]  # noqa: UP007 (refers to itself)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compare; with BETWEEN and IN there are several on the right."""

    operator: str
    left: Operand
    right: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """Ask a function."""

    name: str
    path: Path
    argument: Operand | None


@dataclass(frozen=True, slots=True)
class Logic:
    """Join with AND or OR, or turn round with NOT."""

    operator: str
    members: tuple["Node", ...]


Node = Union[Comparison, Call, Logic]  # noqa: UP007 (refers to itself)


@dataclass(frozen=True, slots=True)
class Action:
    """Change one attribute."""

    clause: str
    target: str
    operand: Operand | None


class Reader:
    """Read one expression; remember which placeholders it used."""

    def __init__(self, slot: str, text: str, names: Mapping[str, str]) -> None:
        """Cut it up; `slot` is the name of the parameter, for refusals."""
        if len(text.encode()) > MAX_BYTES:
            raise invalid(f"Invalid {slot}: Expression size has exceeded the maximum allowed size")
        self._slot = slot
        self._names = names
        self._tokens = _cut(slot, text)
        self._at = 0
        self.used_names: set[str] = set()
        self.used_values: set[str] = set()
        self.attributes: set[str] = set()

    def condition(self) -> Node:
        """Read a condition."""
        return self._whole(self._either)

    def update(self) -> list[Action]:
        """Read the actions of an update."""
        return self._whole(self._clauses)

    def projection(self) -> list[str]:
        """Read names of attributes."""
        return self._whole(lambda: [path.name for path in self._listed(self._path)])

    def _whole(self, read: Callable[[], T]) -> T:
        found = read()
        if self._next() != _END:
            raise self._unreadable()
        return found

    def _either(self) -> Node:
        return self._joined("OR", self._all)

    def _all(self) -> Node:
        return self._joined("AND", self._negated)

    def _joined(self, operator: str, read: Callable[[], Node]) -> Node:
        members = [read()]
        while self._takes(operator):
            members.append(read())
        return members[0] if len(members) == 1 else Logic(operator, tuple(members))

    def _negated(self) -> Node:
        if self._takes("NOT"):
            return Logic("NOT", (self._negated(),))
        if self._next() == "(":
            return self._group()
        if self._next() in FUNCTIONS:
            return self._call()
        return self._comparison()

    def _group(self) -> Node:
        start = self._at
        self._expect("(")
        is_doubled = self._next() == "("
        inner = self._either()
        if is_doubled and self._closing(start + 1) == self._at - 1:
            raise invalid(f"Invalid {self._slot}: The expression has redundant parentheses;")
        self._expect(")")
        return inner

    def _closing(self, opening: int) -> int:
        """Find where what opens there is closed."""
        depth = 0
        for at in range(opening, len(self._tokens)):
            depth += {"(": 1, ")": -1}.get(self._tokens[at], 0)
            if not depth:
                return at
        raise self._unreadable()

    def _call(self) -> Call:
        name = self._pop()
        self._expect("(")
        path = self._path()
        argument = None
        if name in ("begins_with", "contains"):
            self._expect(",")
            argument = self._operand()
        self._expect(")")
        return Call(name, path, argument)

    def _comparison(self) -> Comparison:
        left = self._operand()
        if self._takes("BETWEEN"):
            low = self._operand()
            self._expect("AND")
            return Comparison("BETWEEN", left, (low, self._operand()))
        if self._takes("IN"):
            return Comparison("IN", left, self._choices())
        operator = self._pop()
        if operator not in COMPARATORS:
            raise self._unreadable()
        return Comparison(operator, left, (self._operand(),))

    def _choices(self) -> tuple[Operand, ...]:
        self._expect("(")
        choices = tuple(self._listed(self._operand))
        self._expect(")")
        if len(choices) > MAX_CHOICES:
            raise invalid(f"Invalid {self._slot}: The IN operator is provided with too many operands")
        return choices

    def _clauses(self) -> list[Action]:
        read = {"SET": self._set, "REMOVE": self._remove, "ADD": self._add}
        actions: list[Action] = []
        seen: list[str] = []
        while self._next() != _END:
            clause = self._pop().upper()
            if clause not in read or clause in seen:
                raise NotImplementedError(f"a clause {clause} after {seen}")
            seen.append(clause)
            actions += self._listed(read[clause])
        self._check_targets([action.target for action in actions])
        return actions

    def _check_targets(self, targets: list[str]) -> None:
        for target in targets:
            if targets.count(target) > 1:
                raise invalid(
                    f"Invalid {self._slot}: Two document paths overlap with each other; "
                    f"must remove or rewrite one of these paths; path one: [{target}], path two: [{target}]"
                )

    def _set(self) -> Action:
        target = self._path().name
        self._expect("=")
        return Action("SET", target, self._sum())

    def _remove(self) -> Action:
        return Action("REMOVE", self._path().name, None)

    def _add(self) -> Action:
        return Action("ADD", self._path().name, self._placeholder())

    def _sum(self) -> Operand:
        first = self._operand()
        if self._next() in ("+", "-"):
            sign = 1 if self._pop() == "+" else -1
            return Sum(first, self._operand(), sign)
        return first

    def _operand(self) -> Operand:
        token = self._next()
        if token.startswith(":"):
            return self._placeholder()
        if token == "size":
            self._pop()
            return Size(self._within(self._path))
        if token == "if_not_exists":
            self._pop()
            return self._within(self._if_not_exists)
        return self._path()

    def _if_not_exists(self) -> IfNotExists:
        path = self._path()
        self._expect(",")
        return IfNotExists(path, self._operand())

    def _within(self, read: Callable[[], T]) -> T:
        self._expect("(")
        inner = read()
        self._expect(")")
        return inner

    def _placeholder(self) -> Placeholder:
        token = self._pop()
        if not token.startswith(":"):
            raise self._unreadable()
        self.used_values.add(token)
        return Placeholder(token)

    def _path(self) -> Path:
        parts: list[str | int] = [self._name()]
        self.attributes.add(str(parts[0]))
        while self._next() in (".", "["):
            if self._pop() == ".":
                parts.append(self._name())
            else:
                parts.append(int(self._pop()))
                self._expect("]")
        return Path(tuple(parts))

    def _name(self) -> str:
        token = self._pop()
        if token.startswith("#"):
            return self._resolved(token)
        if not token[:1].isalpha() or self._next() == "(":
            raise NotImplementedError(f"{token!r} in {self._slot}")
        if "_" not in token:
            # No reserved word has an underscore (AWS: "Reserved words in DynamoDB").
            raise NotImplementedError(f"{token!r} may be a reserved word: write a placeholder")
        return token

    def _resolved(self, token: str) -> str:
        if token not in self._names:
            raise invalid(
                f"Invalid {self._slot}: An expression attribute name used in the document path is not defined; "
                f"attribute name: {token}"
            )
        self.used_names.add(token)
        return self._names[token]

    def _listed(self, read: Callable[[], T]) -> list[T]:
        found = [read()]
        while self._takes(","):
            found.append(read())
        return found

    def _next(self) -> str:
        return self._tokens[self._at]

    def _pop(self) -> str:
        token = self._tokens[self._at]
        if token == _END:
            raise self._unreadable()
        self._at += 1
        return token

    def _takes(self, word: str) -> bool:
        is_next = self._next().upper() == word
        self._at += is_next
        return is_next

    def _expect(self, word: str) -> None:
        if not self._takes(word):
            raise self._unreadable()

    def _unreadable(self) -> Exception:
        near = " ".join(self._tokens[max(0, self._at - 1) : self._at + 2])
        return invalid(f'Invalid {self._slot}: Syntax error; token: "{self._next() or "<EOF>"}", near: "{near}"')


def _cut(slot: str, text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise invalid(f'Invalid {slot}: Syntax error; token: "{text[at]}", near: "{text[at : at + 10]}"')
        tokens.append(match[1])
        at = match.end()
    if not tokens:
        raise invalid(f"Invalid {slot}: The expression can not be empty;")
    return [*tokens, _END]
