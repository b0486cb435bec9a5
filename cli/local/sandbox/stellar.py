"""Play Horizon: accounts, the payments that others make, and transactions that are sent to the network."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cli.local.sandbox.messages import Answer, Request, Thing
from cli.webhooks.keys import stellar_account

if TYPE_CHECKING:
    from cli.local.sandbox.stellar_ledger import Sent

ANCHOR: Final = "GDCZLB6B2LVDWMBOTGBMRWS6ZWB5CZ2QDBH3A5HLJBGEQ3XGSXZ2DTJH"
"""Issues the USDC of `cdk.json`."""

GENESIS: Final = "2015-09-30T17:15:54Z"
NETWORK: Final = "Test SDF Network ; September 2015"

_PARTIES: Final = ("to", "from", "account", "funder", "into")
_ERRORS: Final = "https://stellar.org/horizon-errors"
MISSING: Final = Answer(404, {"type": f"{_ERRORS}/not_found", "title": "Resource Missing", "status": 404})
_TIMEOUT: Final = Answer(504, {"type": f"{_ERRORS}/timeout", "title": "Timeout", "status": 504})
_MALFORMED: Final = Answer(
    400, {"type": f"{_ERRORS}/transaction_malformed", "title": "Transaction Malformed", "status": 400}
)


class Stellar:
    """Keep payment operations by their ids, each with its transaction, and accounts by their addresses.

    `ledger` says when the newest and the oldest ledger were closed (`closed_at`, `elder_closed_at`), else that is now
    and when Stellar began. While `held` is `on`, what is sent is taken and waits; then it comes into a ledger, if that
    does not come too late for it, in the order of `waiting`.
    """

    def __init__(self) -> None:
        """Begin with the account that pays out, and one that can be paid to."""
        names = {"payouts": "1000000.0000000", "customer": "0.0000000"}
        accounts = [_account(stellar_account(name), usdc) for name, usdc in names.items()]
        self.things: dict[str, Thing] = {account["id"]: account for account in accounts}
        self.changed: dict[str, float] = {}
        self.waiting: dict[str, Sent] = {}

    def answer(self, request: Request) -> Answer:
        """Carry a call out."""
        self._complete_accounts()
        if not self._is_held:
            self._let_in()
        return self._submit(request.form.get("tx", "")) if request.method == "POST" else self._read(request)

    def _read(self, request: Request) -> Answer:
        match request.target[1]:
            case [""]:
                return Answer(200, self._root())
            case ["ledgers"]:
                return Answer(200, {"_embedded": {"records": self._ledgers(request)}})
            case ["accounts", address, *payments]:
                return self._of_account(address, request, payments=bool(payments))
            case ["transactions", digest, "payments"]:
                return Answer(200, _page(self._of_transaction(digest), request))
            case ["transactions" | "operations" as kind, name]:
                return self._one(kind, name)
        return MISSING

    def _one(self, kind: str, name: str) -> Answer:
        if kind == "transactions":
            made = [operation["transaction"] for operation in self._of_transaction(name)]
        else:
            made = [operation for operation in self._records() if operation["id"] == name]
        return Answer(200, made[0]) if made else MISSING

    def _of_account(self, address: str, request: Request, *, payments: bool) -> Answer:
        account = self.things.get(address)
        if not payments:
            return Answer(200, account) if account else MISSING
        found = [thing for thing in self._records() if address in {thing.get(name) for name in _PARTIES}]
        return Answer(200, _page(found, request)) if found or account else MISSING

    def _submit(self, envelope: str) -> Answer:
        """Take a transaction; one that is in a ledger is answered as it was before."""
        # Imported here: it takes over a second, and most tests send none.
        from cli.local.sandbox.stellar_ledger import Sent, Unreadable

        try:
            sent = Sent(envelope, NETWORK)
        except Unreadable:
            return _MALFORMED
        if not self._of_transaction(sent.digest):
            if objection := sent.objection(self.things, self._closed_at):
                return _failed({"transaction": objection}, envelope)
            self.waiting[sent.digest] = sent
            if self._is_held:
                return _TIMEOUT
            self._let_in()
        (made,) = self._of_transaction(sent.digest)
        return _failed(made["result_codes"], envelope) if "result_codes" in made else Answer(200, made["transaction"])

    def _let_in(self) -> None:
        """Put what waits into the newest ledger, where that takes it."""
        for sent in self.waiting.values():
            if not sent.objection(self.things, self._closed_at):
                number = max((int(thing["paging_token"]) for thing in self._records()), default=2**32) + 4096
                self.things[str(number)] = sent.applied(self.things, number, self._closed_at)
        self.waiting.clear()

    def _complete_accounts(self) -> None:
        """Give accounts that the control API has made what all have."""
        for address in [name for name in self.things if name.startswith("G")]:
            self.things[address] = {**_account(address), **self.things[address]}

    @property
    def _is_held(self) -> bool:
        return bool(self.things.get("held", {}).get("on"))

    @property
    def _closed_at(self) -> datetime:
        told = self.things.get("ledger", {}).get("closed_at")
        return datetime.fromisoformat(told) if told else datetime.now(UTC).replace(microsecond=0)

    def _root(self) -> Thing:
        return {
            "history_latest_ledger": 60_000_000,
            "history_latest_ledger_closed_at": _text(self._closed_at),
            "history_elder_ledger": 2,
            "network_passphrase": NETWORK,
        }

    def _ledgers(self, request: Request) -> list[Thing]:
        elder = self.things.get("ledger", {}).get("elder_closed_at", GENESIS)
        ledgers = [
            {"sequence": 2, "closed_at": elder},
            {"sequence": 60_000_000, "closed_at": _text(self._closed_at)},
        ]
        ordered = ledgers[::-1] if request.query.get("order") == "desc" else ledgers
        return ordered[: int(request.query.get("limit", "10"))]

    def _records(self) -> list[Thing]:
        payments = (thing for thing in self.things.values() if "paging_token" in thing)
        return sorted(payments, key=lambda thing: int(thing["paging_token"]))

    def _of_transaction(self, digest: str) -> list[Thing]:
        return [thing for thing in self._records() if thing["transaction_hash"] == digest]


def _account(address: str, usdc: str = "0.0000000") -> Thing:
    native = {"balance": "10000.0000000", "buying_liabilities": "0.0000000", "asset_type": "native"}
    line = {
        "balance": usdc,
        "limit": "922337203685.4775807",
        "buying_liabilities": "0.0000000",
        "is_authorized": True,
        "asset_type": "credit_alphanum4",
        "asset_code": "USDC",
        "asset_issuer": ANCHOR,
    }
    return {"id": address, "account_id": address, "sequence": "1", "balances": [line, native], "data": {}}


def _page(records: Iterable[Thing], request: Request) -> Thing:
    sign = -1 if request.query.get("order") == "desc" else 1
    after, limit = int(request.query.get("cursor", "0")), int(request.query.get("limit", "10"))
    ordered = sorted(records, key=lambda thing: sign * int(thing["paging_token"]))
    behind = [thing for thing in ordered if not after or sign * int(thing["paging_token"]) > sign * after][:limit]
    hidden = set() if request.query.get("join") == "transactions" else {"transaction"}
    shown = [{name: value for name, value in thing.items() if name not in hidden} for thing in behind]
    return {"_embedded": {"records": shown}}


def _failed(codes: dict[str, Any], envelope: str) -> Answer:
    extras = {"envelope_xdr": envelope, "result_codes": codes}
    problem = {"type": f"{_ERRORS}/transaction_failed", "title": "Transaction Failed", "status": 400}
    return Answer(400, {**problem, "extras": extras})


def _text(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
