"""Read lists of providers page after page: politely, and no further than a bound."""

import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from pydantic import ValidationError

from tallystick.adapters.providers.reading import D
from tallystick.domain.errors import ProviderUnavailable
from tallystick.domain.provider_records import ProviderRecord

PATIENCE_S: Final = 30
"""So long a page may wait when the provider says that it is asked too often."""

PAUSE_S: Final = 0.1
"""Before each further page."""

MAX_PAGES: Final = 1000
"""Of one list; what it has more is no list that can be read within an hour."""

Page = TypeVar("Page")
Cursor = TypeVar("Cursor")


def pages(provider: str, read: Callable[[Cursor | None], tuple[Page, Cursor | None]]) -> Iterator[Page]:
    """Read pages, each with where the next one begins, until there is none.

    Raises:
        ProviderUnavailable: there are more than can be read, or a page leads to itself.
    """
    cursor: Cursor | None = None
    for _ in range(MAX_PAGES):
        page, following = read(cursor)
        yield page
        if following is None:
            return
        if following == cursor:
            break
        cursor = following
        time.sleep(PAUSE_S)
    raise ProviderUnavailable(f"{provider} lists more than can be read; try again.", provider=provider)


def understood(provider: str, model: type[D], thing: object) -> D:
    """Read a part of a page.

    Raises:
        ProviderUnavailable: it is not what the provider documents.
    """
    try:
        return model.model_validate(thing)
    except ValidationError:
        raise ProviderUnavailable(
            f"{provider} lists what it does not document; try again.", provider=provider
        ) from None


def fetched_id(record: ProviderRecord) -> str:
    """Name the event of a record that was fetched: the provider's own has another id, and says the same."""
    return f"fetched:{record.name}:{record.status}"
