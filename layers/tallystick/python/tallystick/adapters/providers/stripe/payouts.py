"""Pay out through Stripe, to a bank account or card that it has an id for."""

from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import urlencode

from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.payers import granted, nothing_found, refusal, unclear, units_of
from tallystick.adapters.providers.reading import Document, Name
from tallystick.adapters.providers.stripe.amounts import decimals, payout_step
from tallystick.adapters.providers.stripe.reports import TAG, Payout, Tagged
from tallystick.domain.destinations import DestinationType
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal

KEY_LIFETIME_MS: Final = 23 * 3_600_000
"""Stripe knows a key for 24 hours at least; one is left for clocks and for a call that is late."""

MAX_PAGES: Final = 10
"""Of 100 payouts each."""

_CLOCKS_MS: Final = 600_000
"""Stripe's clock may be so much behind ours."""

_PAYOUTS: Final = "/v1/payouts"


class _Error(Document):
    """Describe why a call was refused; an `idempotency_error` would say that there was another one under our key."""

    type: Literal["card_error", "invalid_request_error"]
    code: Name | None = None


class _Refusal(Document):
    error: _Error


class _Page(Document):
    data: list[Tagged]
    has_more: bool


class StripePayouts(ProviderGateway):
    """Implement `tallystick.services.ports.payouts.Payer`; our id is the key, and stands in the metadata."""

    provider = Provider.STRIPE
    key_lifetime_ms = KEY_LIFETIME_MS

    def check(self, withdrawal: Withdrawal) -> None:
        """See whether it goes to an account that Stripe knows, in units that it pays out."""
        code = withdrawal.asset.code
        if withdrawal.destination.type is not DestinationType.STRIPE:
            raise self._refused("Stripe pays out to a bank account or card that it has an id for.")
        if code not in self._assets or self._assets[code].kind != "fiat":
            raise self._refused(f"Stripe does not pay out {code}.")
        if units_of(withdrawal, decimals(code)) % payout_step(code):
            raise self._refused(f"Stripe pays out {code} in larger steps.")

    def draft(self, withdrawal: Withdrawal, now_ms: int) -> None:
        """Sign nothing: a payout is made by the call that sends it."""

    def send(self, withdrawal: Withdrawal) -> Report:
        """Send it; the body follows from the withdrawal alone, since under one key it must be the same each time."""
        fields = {
            "amount": str(units_of(withdrawal, decimals(withdrawal.asset.code))),
            "currency": withdrawal.asset.code.lower(),
            "destination": withdrawal.destination.account,
            f"metadata[{TAG}]": withdrawal.flow_id,
        }
        headers = {
            **self._headers(),
            "Content-Type": "application/x-www-form-urlencoded",
            "Idempotency-Key": withdrawal.flow_id,
        }
        reply = self._http.post(_PAYOUTS, headers, urlencode(fields).encode(), repeatable=False)
        refused = refusal(reply, _Refusal)
        if refused is not None:
            return Report(Outcome.FAILED, reason=refused.error.code or refused.error.type)
        return granted(reply, Payout).report()

    def look_up(self, withdrawal: Withdrawal, now_ms: int) -> Report:
        """Ask for the payout; without its id, for all since the withdrawal, for a key that is forgotten names none."""
        if withdrawal.payout_id is not None:
            return self._payout(withdrawal.payout_id)
        match self._made(withdrawal):
            case None:
                return Report(Outcome.UNCLEAR, reason="too-many-payouts")
            case []:
                return nothing_found(withdrawal, now_ms)
            case [payout_id]:
                return self._payout(payout_id)
        return Report(Outcome.UNCLEAR, reason="several-payouts")

    def _payout(self, payout_id: str) -> Report:
        reply = self._http.get(f"{_PAYOUTS}/{payout_id}", self._headers())
        if reply.status == HTTPStatus.NOT_FOUND:
            return Report(Outcome.UNCLEAR, payout_id, reason="not-found")
        payout = granted(reply, Payout)
        if payout.id != payout_id:
            raise unclear(reply)
        return payout.report()

    def _made(self, withdrawal: Withdrawal) -> list[str] | None:
        """Name the payouts that were made under our id; what a part of the list shows says nothing of the rest."""
        since_s = (withdrawal.created_at_ms - _CLOCKS_MS) // 1000
        query = {"created[gte]": str(since_s), "limit": "100"}
        made: list[str] = []
        for _ in range(MAX_PAGES):
            page = granted(self._http.get(_PAYOUTS, self._headers(), query), _Page)
            made += [payout.id for payout in page.data if payout.withdrawal_id == withdrawal.flow_id]
            if not page.has_more:
                return made
            if not page.data:
                break
            query["starting_after"] = page.data[-1].id
        return None

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret('api_key')}"}
