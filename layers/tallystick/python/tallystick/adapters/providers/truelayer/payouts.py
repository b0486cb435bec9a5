"""Pay out through TrueLayer: from the merchant account to bank accounts."""

import base64
import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Final

from pydantic import AfterValidator

from tallystick.adapters.providers.payers import granted, refusal, units_of
from tallystick.adapters.providers.reading import Document, Id, Text
from tallystick.adapters.providers.truelayer.client import TrueLayerClient
from tallystick.adapters.providers.truelayer.events import DECIMALS, Payout
from tallystick.domain.chain import digest
from tallystick.domain.destinations import DestinationType
from tallystick.domain.errors import ProviderRefused, ProviderUnavailable
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.times import to_rfc3339
from tallystick.domain.withdrawals import Withdrawal

KEY_LIFETIME_MS: Final = 3_600_000
"""TrueLayer's reference names no lifetime of a key; its guide has said six hours, then thirty days. An hour is surely
within."""

CURRENCIES: Final = ("EUR", "GBP")
MAX_NAME: Final = 140
REFERENCE_CHARACTERS: Final = 18
"""As many as Faster Payments carry; SEPA carries more."""

MAX_PAGES: Final = 5
"""Of a thousand transactions each."""

_PAYOUTS: Final = "/v3/payouts"
_REFUSED: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
_ERROR: Final = re.compile(r"https://docs\.truelayer\.com/docs/error-types#(?!idempotency)([a-z0-9-]{1,60})")
"""The type of an error: those about the idempotency key do not say that nothing was made under it."""

_CLOCKS_MS: Final = 600_000
"""TrueLayer's clock may be so much behind ours."""

_MAX_RANGE_MS: Final = 31 * 86_400_000
"""TrueLayer lists no more days at once."""


def _code(kind: str) -> str:
    found = _ERROR.fullmatch(kind)
    if found is None:
        raise ValueError("no error that proves anything")
    return found[1]


class _Refusal(Document):
    type: Annotated[str, AfterValidator(_code)]


class _NewPayout(Document):
    id: Id


class _Beneficiary(Document):
    reference: Text | None = None


class _Transaction(Document):
    payout_id: Id | None = None
    beneficiary: _Beneficiary | None = None

    def has(self, reference: str) -> bool:
        """Tell whether it was paid out under a reference."""
        return self.beneficiary is not None and self.beneficiary.reference == reference


class _Pagination(Document):
    next_cursor: Text | None = None


class _Page(Document):
    items: list[_Transaction]
    pagination: _Pagination = _Pagination()


class TrueLayerPayouts(TrueLayerClient):
    """Implement `tallystick.services.ports.payouts.Payer`; the idempotency key is derived from our id."""

    key_lifetime_ms = KEY_LIFETIME_MS

    def check(self, withdrawal: Withdrawal) -> None:
        """See whether it goes to an IBAN, with its holder's name, in a currency and units that TrueLayer pays out."""
        destination = withdrawal.destination
        if destination.type is not DestinationType.IBAN or not destination.name:
            raise self._refused("TrueLayer pays out to an IBAN, with its holder's name.")
        if len(destination.name) > MAX_NAME:
            raise self._refused(f"TrueLayer takes names of at most {MAX_NAME} characters.")
        if withdrawal.asset.code not in CURRENCIES:
            raise self._refused(f"TrueLayer pays out {' and '.join(CURRENCIES)}, not {withdrawal.asset.code}.")
        units_of(withdrawal, DECIMALS)

    def draft(self, withdrawal: Withdrawal, now_ms: int) -> None:
        """Sign nothing: a payout is made by the call that sends it."""

    def send(self, withdrawal: Withdrawal) -> Report:
        """Send it; the body follows from the withdrawal alone, since under one key it must be the same each time."""
        body = json.dumps(self._order(withdrawal)).encode()
        reply = self._post(_PAYOUTS, withdrawal.flow_id, body, repeatable=False)
        refused = refusal(reply, _Refusal) if reply.status in _REFUSED else None
        if refused is not None:
            return Report(Outcome.FAILED, reason=refused.type)
        return Report(Outcome.PENDING, granted(reply, _NewPayout).id)

    def look_up(self, withdrawal: Withdrawal, now_ms: int) -> Report:
        """Ask for the payout; without its id, search for its reference: a list without it does not prove absence."""
        payout_id = withdrawal.payout_id or self._made(withdrawal, now_ms)
        return Report(Outcome.UNCLEAR) if payout_id is None else self._payout(payout_id)

    def _order(self, withdrawal: Withdrawal) -> dict[str, object]:
        return {
            "merchant_account_id": self._configured("merchant_account_id"),
            "amount_in_minor": units_of(withdrawal, DECIMALS),
            "currency": withdrawal.asset.code,
            "beneficiary": {
                "type": "external_account",
                "reference": reference_of(withdrawal.flow_id),
                "account_holder_name": withdrawal.destination.name,
                "account_identifier": {"type": "iban", "iban": withdrawal.destination.account},
            },
            "metadata": {"withdrawal_id": withdrawal.flow_id},
        }

    def _payout(self, payout_id: str) -> Report:
        reply = self._get(f"{_PAYOUTS}/{payout_id}")
        if reply.status == HTTPStatus.NOT_FOUND:
            return Report(Outcome.UNCLEAR, payout_id, reason="not-found")
        return granted(reply, Payout).report()

    def _made(self, withdrawal: Withdrawal, now_ms: int) -> str | None:
        """Find the id of the payout that has our reference."""
        reference = reference_of(withdrawal.flow_id)
        transactions = (transaction for page in self._pages(withdrawal, now_ms) for transaction in page.items)
        return next((found.payout_id for found in transactions if found.has(reference)), None)

    def _pages(self, withdrawal: Withdrawal, now_ms: int) -> Iterator[_Page]:
        """List what was paid out since it was first sent."""
        sent_ms = withdrawal.sending.key_since_ms if withdrawal.sending else withdrawal.created_at_ms
        since_ms = sent_ms - _CLOCKS_MS
        query = {
            "from": to_rfc3339(since_ms),
            "to": to_rfc3339(min(now_ms, since_ms + _MAX_RANGE_MS)),
            "type": "payout",
        }
        path = f"/v3/merchant-accounts/{self._configured('merchant_account_id')}/transactions"
        for _ in range(MAX_PAGES):
            page = granted(self._get(path, query, {"tl-enable-pagination": "true"}), _Page)
            yield page
            if page.pagination.next_cursor is None:
                return
            query["cursor"] = page.pagination.next_cursor

    def _headers(self) -> dict[str, str]:
        try:
            return super()._headers()
        except ProviderRefused as refused:
            # That we are not let in says nothing of the payout.
            raise ProviderUnavailable("truelayer gives no token; try again.", provider=self.provider) from refused


def reference_of(flow_id: str) -> str:
    """Derive what stands on the bank statement: of characters that every bank takes, and nobody can guess another's."""
    drawn = base64.b32encode(bytes.fromhex(digest("tallystick/truelayer-reference/1", flow_id))).decode()
    return f"WD-{drawn}"[:REFERENCE_CHARACTERS]
