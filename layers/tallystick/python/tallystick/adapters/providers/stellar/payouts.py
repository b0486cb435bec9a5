"""Pay out on Stellar: with a transaction that is signed beforehand, has one hash, and is valid for a minute."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from tallystick.adapters.providers.base import ProviderGateway
from tallystick.adapters.providers.http import ProviderHttp, Reply
from tallystick.adapters.providers.payers import granted, refusal, unclear, units_of
from tallystick.adapters.providers.stellar.accounts import DECIMALS, MAX_STROOPS, Account
from tallystick.adapters.providers.stellar.transactions import Ledgers, Refusal, Root, Transaction, found
from tallystick.domain.destinations import DestinationType
from tallystick.domain.errors import InvariantViolated, ProviderUnavailable
from tallystick.domain.payouts import Draft, Outcome, Report
from tallystick.domain.webhooks import Environment, Provider
from tallystick.domain.withdrawals import Withdrawal
from tallystick.settings import ConfigurationError

if TYPE_CHECKING:
    from tallystick.adapters.providers.stellar.drafting import Signer

NETWORKS: Final[Mapping[Environment, str]] = {
    "test": "Test SDF Network ; September 2015",
    "live": "Public Global Stellar Network ; September 2015",
}
LAG_MS: Final = 60_000
"""Several servers answer for one Horizon: another one may know so much less than the one that told of a ledger."""

HISTORY_MS: Final = 3_600_000
"""Horizon has to know so much from before a draft expires: all of its minute, wherever our clock stands."""

SEND_TIMEOUT_S: Final = 15
"""Horizon answers when the payment is in a ledger, which takes 5 seconds or 10."""

_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class StellarPayouts(ProviderGateway):
    """Implement `tallystick.services.ports.payouts.Payer`."""

    provider = Provider.STELLAR
    key_lifetime_ms = 0

    def check(self, withdrawal: Withdrawal) -> None:
        """See whether it goes to an account of somebody else, in an asset and units that Stellar knows."""
        destination = withdrawal.destination
        if destination.type is not DestinationType.STELLAR:
            raise self._refused("Stellar pays out to its own accounts.")
        if destination.account in self._setting.addresses.values():
            raise self._refused("This is where we are paid to.")
        self._asset(withdrawal)
        self._stroops(withdrawal)

    def draft(self, withdrawal: Withdrawal, now_ms: int) -> Draft:
        """Sign a payment of the account's next number, if the destination can receive it."""
        signer = self._signer()
        if withdrawal.destination.account == signer.account:
            raise self._refused("This is the account that payouts are paid from.")
        ours, theirs = self._account(signer.account), self._account(withdrawal.destination.account)
        if ours is None:
            raise ProviderUnavailable("The account that pays is not funded; try again.", provider=self.provider)
        if theirs is None:
            raise self._refused("There is no such account on Stellar.")
        asset, stroops = self._asset(withdrawal), self._stroops(withdrawal)
        if objection := theirs.objection(withdrawal.destination, asset, stroops):
            raise self._refused(objection)
        return signer.sign(
            sequence=ours.sequence,
            destination=withdrawal.destination,
            asset=asset,
            stroops=stroops,
            now_ms=now_ms,
        )

    def send(self, withdrawal: Withdrawal) -> Report:
        """Send what was signed; a refusal proves nothing, for the same may have been taken before, or be taken yet."""
        draft = _draft_of(withdrawal)
        patient = ProviderHttp(self.provider, self._setting.base_url, SEND_TIMEOUT_S)
        reply = patient.post("/transactions", _FORM, urlencode({"tx": draft.payload}).encode(), repeatable=False)
        refused = refusal(reply, Refusal) if reply.status == HTTPStatus.BAD_REQUEST else None
        if refused is not None:
            # What the payment itself is refused for will be so the next time; the rest another transaction may mend.
            outcome = Outcome.FAILED if refused.code.startswith("op_") else Outcome.UNCLEAR
            return Report(outcome, draft.payout_id, reason=refused.code)
        return _report(withdrawal, reply, granted(reply, Transaction))

    def look_up(self, withdrawal: Withdrawal, now_ms: int) -> Report:  # noqa: ARG002 (the ledgers' clock counts)
        """Ask for the transaction; ABSENT is what was signed last, once no ledger can take it any more."""
        draft = _draft_of(withdrawal)
        told = self._told(withdrawal, draft)
        if told is not None:
            return told
        root = granted(self._http.get("/", {}), Root)
        if root.network_passphrase != self._network:
            return Report(Outcome.UNCLEAR, draft.payout_id, reason="other-network")
        if root.history_latest_ledger_closed_at <= draft.expires_at_ms + LAG_MS:
            return Report(Outcome.UNCLEAR, draft.payout_id)
        # Asked again: it may have come between the first answer and the newest ledger, and not after that.
        return self._told(withdrawal, draft) or self._absence(draft)

    def _told(self, withdrawal: Withdrawal, draft: Draft) -> Report | None:
        reply = self._http.get(f"/transactions/{draft.payout_id}", {})
        transaction = found(reply, Transaction)
        return None if transaction is None else _report(withdrawal, reply, transaction)

    def _absence(self, draft: Draft) -> Report:
        """Conclude from what is not there, if Horizon would still know it; asked last, for it forgets its oldest."""
        page = granted(self._http.get("/ledgers", {}, {"order": "asc", "limit": "1"}), Ledgers)
        since_ms = draft.expires_at_ms - HISTORY_MS
        if any(ledger.closed_at <= since_ms for ledger in page.embedded.records):
            return Report(Outcome.ABSENT, draft.payout_id)
        return Report(Outcome.UNCLEAR, draft.payout_id, reason="history-too-short")

    def _account(self, address: str) -> Account | None:
        return found(self._http.get(f"/accounts/{address}", {}), Account)

    def _asset(self, withdrawal: Withdrawal) -> str:
        asset = self._setting.assets.get(withdrawal.asset.code)
        if asset is None:
            raise self._refused(f"Stellar is not configured to pay out {withdrawal.asset.code}.")
        return asset

    def _stroops(self, withdrawal: Withdrawal) -> int:
        stroops = units_of(withdrawal, DECIMALS)
        if stroops > MAX_STROOPS:
            raise self._refused("This is more than one payment on Stellar can be.")
        return stroops

    @property
    def _network(self) -> str:
        return NETWORKS[self._setting.environment]

    def _signer(self) -> "Signer":
        """Make what signs, with the seed of the account that pays.

        Raises:
            ConfigurationError: it is none.
        """
        # Imported here: nothing else needs stellar_sdk, which takes over a second.
        from tallystick.adapters.providers.stellar.drafting import signer

        found = signer(self._secret("payout_seed"), self._network)
        if found is None:
            # What cannot be read must not get into a message.
            raise ConfigurationError("Stellar's payout_seed is no seed")
        return found


def _draft_of(withdrawal: Withdrawal) -> Draft:
    if withdrawal.sending is None or withdrawal.sending.draft is None:
        raise InvariantViolated(f"{withdrawal.flow_id} was sent and nothing says what was signed")
    return withdrawal.sending.draft


def _report(withdrawal: Withdrawal, reply: Reply, transaction: Transaction) -> Report:
    """Say what the ledger says; the hash stands for all of the payment, so the amount is ours."""
    if transaction.hash != _draft_of(withdrawal).payout_id:
        raise unclear(reply)
    if transaction.successful:
        return Report(Outcome.PAID, transaction.hash, withdrawal.amount)
    # Imported here: see `_signer`.
    from tallystick.adapters.providers.stellar.drafting import failure

    return Report(Outcome.FAILED, transaction.hash, reason=failure(transaction.result_xdr))
