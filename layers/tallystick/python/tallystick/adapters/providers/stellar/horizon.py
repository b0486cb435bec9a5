"""List payments of our Stellar addresses: the chain calls nobody."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from tallystick.adapters.providers.http import ProviderHttp
from tallystick.adapters.providers.reading import Digits, Document, Id
from tallystick.adapters.providers.stellar.payments import Operation, ours
from tallystick.domain.webhooks import Provider
from tallystick.services.polling import Arrival
from tallystick.settings import ProviderSetting


class _Listed(Document):
    id: Id
    paging_token: Digits


def _listed(record: dict[str, Any]) -> dict[str, Any]:
    _Listed.model_validate(record)
    return record


class _Records(Document):
    records: list[Annotated[dict[str, Any], AfterValidator(_listed)]]


class _Page(Document):
    embedded: Annotated[_Records, Field(alias="_embedded")]


class HorizonPayments:
    """Implement `tallystick.services.polling.Payments`."""

    def __init__(self, setting: ProviderSetting) -> None:
        """Name Horizon and our addresses; nothing is opened before the first call."""
        self._http = ProviderHttp(Provider.STELLAR, setting.base_url)
        self._ours = ours(setting)

    @property
    def name(self) -> str:
        """Name what is listed: another list is read from its beginning."""
        return f"stellar:{'+'.join(sorted(self._ours))}"

    def after(self, cursor: str | None, limit: int = 200) -> list[Arrival]:
        """Give the payments behind a cursor; an address that is not funded yet has none.

        Cursors are those of the whole chain: the first so many of all addresses are complete.
        """
        pages = [self._page(address, cursor, limit) for address in self._ours]
        found = {int(arrival.cursor): arrival for page in pages for arrival in page}
        return [found[token] for token in sorted(found)[:limit]]

    def _page(self, address: str, cursor: str | None, limit: int) -> Iterator[Arrival]:
        behind = {"cursor": cursor} if cursor else {}
        query = {"order": "asc", "limit": str(limit), "join": "transactions", **behind}
        page = self._http.get(f"/accounts/{address}/payments", {}, query).find(_Page)
        yield from map(self._arrival, page.embedded.records if page else ())

    def _arrival(self, record: dict[str, Any]) -> Arrival:
        listed = _Listed.model_validate(record)
        body = json.dumps(record, default=str).encode()
        return Arrival(listed.id, str(listed.paging_token), body, to_us=self._is_to_us(record))

    def _is_to_us(self, record: dict[str, Any]) -> bool:
        """Take what cannot be read for ours: it becomes a dead letter, and a person sees it."""
        try:
            operation = Operation.model_validate(record)
        except ValidationError:
            return True
        return operation.transaction_successful and bool(operation.receivers & self._ours)
