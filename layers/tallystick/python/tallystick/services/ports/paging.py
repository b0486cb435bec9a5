"""A part of a list."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Hold some items of a list and where the next ones begin."""

    items: list[Item]
    next_key: str | None = None
