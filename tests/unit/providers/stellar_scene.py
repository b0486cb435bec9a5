"""Pay out on Stellar to accounts of the sandbox, and look into its ledgers."""

from collections.abc import Mapping
from typing import Any, Final

from stellar_sdk import Payment, TransactionEnvelope

from cli.webhooks.keys import stellar_account
from tallystick.adapters.providers.stellar.payouts import NETWORKS, StellarPayouts
from tallystick.domain.destinations import Destination, DestinationType
from tallystick.domain.money import DEFAULT_ASSETS
from tallystick.domain.payouts import Draft
from tallystick.domain.times import to_rfc3339
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.ports.payouts import Payer
from tests.support.sandbox import RunningSandbox
from tests.support.scene import NOW_MS
from tests.support.withdrawals import submitted, withdrawal
from tests.unit.providers.world import ANCHOR, NOWHERE, PUBLIC_URL, SECRETS, amount, setting

SEED: Final = SECRETS[Provider.STELLAR]["payout_seed"]
OURS: Final = stellar_account("payouts")
CUSTOMER: Final = stellar_account("customer")
STRANGER: Final = stellar_account("stranger")
LUMENS: Final[dict[str, Any]] = {
    "provider": Provider.STELLAR,
    "asset": DEFAULT_ASSETS["XLM"],
    "units": 123_456_789,
    "destination": Destination(DestinationType.STELLAR, CUSTOMER),
}
DOLLARS: Final[dict[str, Any]] = {**LUMENS, "asset": DEFAULT_ASSETS["USDC"], "units": 12_345_678}
PAID: Final = amount("12.3456789", "XLM")
EXPIRES_MS: Final = NOW_MS + 60_000
CERTAIN_MS: Final = EXPIRES_MS + 60_000
HASH: Final = "ab" * 32
MISSING: Final = {"type": "https://stellar.org/horizon-errors/not_found", "title": "Resource Missing", "status": 404}


def payer(base_url: str = NOWHERE, secrets: Mapping[str, str] | None = None, **changes: Any) -> Payer:  # noqa: ANN401
    """Pay out through Horizon at an address; without one it must not be needed."""
    chosen = setting(Provider.STELLAR, base_url, **changes)
    held = SECRETS[Provider.STELLAR] if secrets is None else secrets
    return StellarPayouts(chosen, lambda: held, DEFAULT_ASSETS, PUBLIC_URL)


def at(sandbox: RunningSandbox, closed_ms: int, **others: str) -> None:
    """Say when the newest ledger was closed."""
    sandbox.put("stellar", "ledger", closed_at=to_rfc3339(closed_ms), **others)


def hold(sandbox: RunningSandbox, *, on: bool) -> None:
    """Let what is sent wait, or come into a ledger."""
    sandbox.put("stellar", "held", on=on)


def drafted(stellar: Payer, now_ms: int = NOW_MS, **members: Any) -> Withdrawal:  # noqa: ANN401
    """Describe a withdrawal whose draft was stored, and that is about to be sent."""
    members = {**LUMENS, **members}
    draft = stellar.draft(withdrawal(**members), now_ms)
    assert draft is not None
    return submitted(draft=draft, at_ms=now_ms, **members)


def draft_of(sent: Withdrawal) -> Draft:
    """Give what was signed for a withdrawal."""
    assert sent.sending is not None
    assert sent.sending.draft is not None
    return sent.sending.draft


def envelope_of(draft: Draft, network: str = NETWORKS["test"]) -> TransactionEnvelope:
    """Read a draft with the vendor's library."""
    return TransactionEnvelope.from_xdr(draft.payload, network)


def payment_of(draft: Draft) -> Payment:
    """Read the one payment of a draft."""
    (operation,) = envelope_of(draft).transaction.operations
    assert isinstance(operation, Payment)
    return operation


def payments(sandbox: RunningSandbox, **members: object) -> list[dict[str, Any]]:
    """Give all payments that are in a ledger."""
    records = [thing for thing in sandbox.things("stellar").values() if "paging_token" in thing]
    return [record for record in records if members.items() <= record.items()]


def paid(sandbox: RunningSandbox, account: str = CUSTOMER) -> list[dict[str, Any]]:
    """Give the payments that an account has received."""
    return payments(sandbox, to=account, transaction_successful=True)


def sends(sandbox: RunningSandbox) -> list[dict[str, Any]]:
    """Give the calls that sent a transaction."""
    return [call for call in sandbox.calls("stellar") if call["method"] == "POST"]


def paths(sandbox: RunningSandbox, since: int = 0) -> list[str]:
    """Give the addresses that were asked, in their order."""
    return [call["path"].replace(CUSTOMER, "customer") for call in sandbox.calls("stellar")[since:]]


def line(**members: object) -> dict[str, object]:
    """Describe a trustline for dollars."""
    return {
        "balance": "0.0000000",
        "limit": "1000.0000000",
        "buying_liabilities": "0.0000000",
        "is_authorized": True,
        "asset_type": "credit_alphanum4",
        "asset_code": "USDC",
        "asset_issuer": ANCHOR,
        **members,
    }
