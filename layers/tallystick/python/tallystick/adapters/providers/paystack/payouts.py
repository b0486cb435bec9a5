"""Pay out through Paystack, to a bank account in Nigeria; its transfers must not need a code (OTP)."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, Literal

from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.http import Reply
from tallystick.adapters.providers.payers import granted, nothing_found, refusal, unclear, units_of
from tallystick.adapters.providers.paystack.amounts import DECIMALS
from tallystick.adapters.providers.paystack.events import reference_of
from tallystick.adapters.providers.paystack.reports import Transfer
from tallystick.adapters.providers.reading import Document, Id, Name, Text
from tallystick.domain.destinations import DestinationType
from tallystick.domain.payouts import Outcome, Report
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal

CURRENCY: Final = "NGN"


class _Refusal(Document):
    status: Literal[False]
    message: Text
    type: Name | None = None
    code: Name | None = None

    @property
    def proves(self) -> bool:
        """Tell whether nothing was made: not when our reference is taken, nor when a bank was reached."""
        taken = "reference" in f"{self.code} {self.message}".lower()
        return not taken and self.type != "processor_error"


class _NewRecipient(Document):
    recipient_code: Id


class _Recipient(Document):
    status: Literal[True]
    data: _NewRecipient


class _Answer(Document):
    status: Literal[True]
    data: Transfer


class PaystackPayouts(ProviderGateway):
    """Implement `tallystick.services.ports.payouts.Payer`; our id is the reference, which is never forgotten."""

    provider = Provider.PAYSTACK
    key_lifetime_ms = None

    def check(self, withdrawal: Withdrawal) -> None:
        """See whether it goes to a bank account in Nigeria, in kobo."""
        destination = withdrawal.destination
        if destination.type is not DestinationType.NUBAN or not destination.bank_code or not destination.name:
            raise self._refused("Paystack pays out to a NUBAN, with its bank's code and its holder's name.")
        if withdrawal.asset.code != CURRENCY:
            raise self._refused(f"Paystack pays out {CURRENCY}, not {withdrawal.asset.code}.")
        units_of(withdrawal, DECIMALS)

    def draft(self, withdrawal: Withdrawal, now_ms: int) -> None:
        """Sign nothing: a payout is made by the call that sends it."""

    def send(self, withdrawal: Withdrawal) -> Report:
        """Name the account, then send it."""
        destination = withdrawal.destination
        account = {
            "type": "nuban",
            "name": destination.name,
            "account_number": destination.account,
            "bank_code": destination.bank_code,
            "currency": CURRENCY,
        }
        # Repeatable: for an account that it knows Paystack gives the recipient that it has.
        named = self._post("/transferrecipient", account, repeatable=True)
        return _refused(named) or self._transfer(withdrawal, granted(named, _Recipient).data.recipient_code)

    def look_up(self, withdrawal: Withdrawal, now_ms: int) -> Report:
        """Ask for what was made under our reference."""
        reply = self._http.get(f"/transfer/verify/{reference_of(withdrawal.flow_id)}", self._headers())
        refused = refusal(reply, _Refusal)
        if refused and (reply.status == HTTPStatus.NOT_FOUND or "not found" in refused.message.lower()):
            return nothing_found(withdrawal, now_ms)
        return _told(reply, withdrawal)

    def _transfer(self, withdrawal: Withdrawal, recipient: str) -> Report:
        order = {
            "source": "balance",
            "amount": units_of(withdrawal, DECIMALS),
            "currency": CURRENCY,
            "recipient": recipient,
            "reference": reference_of(withdrawal.flow_id),
            "reason": withdrawal.flow_id,
        }
        sent = self._post("/transfer", order, repeatable=False)
        return _refused(sent) or _told(sent, withdrawal)

    def _post(self, path: str, order: Mapping[str, object], *, repeatable: bool) -> Reply:
        headers = {**self._headers(), "Content-Type": "application/json"}
        return self._http.post(path, headers, json.dumps(order).encode(), repeatable=repeatable)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._secret('api_key')}"}


def _told(reply: Reply, withdrawal: Withdrawal) -> Report:
    """Say how the transfer of a withdrawal stands.

    Raises:
        ProviderUnavailable: it is not told, or another one is.
    """
    transfer = granted(reply, _Answer).data
    if transfer.reference not in {None, reference_of(withdrawal.flow_id)}:
        raise unclear(reply)
    return transfer.report()


def _refused(reply: Reply) -> Report | None:
    """Say that nothing was made of a call, if that is proved."""
    refused = refusal(reply, _Refusal)
    if refused is None or not refused.proves:
        return None
    return Report(Outcome.FAILED, reason=refused.code or refused.type or "refused")
