"""Index the evidence once, for all rules: what is stored as plain data, and what was asked for."""

import base64
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Final
from urllib.parse import unquote

from cli.demo import rules
from cli.demo.stored import ENTRY_KEY, Item, Stored, plain
from tests.simulation.evidence import Evidence, RawItem
from tests.simulation.told import Answer, Called, Try

Key = tuple[str, ...]
"""An idempotency key: its source, scope and reference, and the action if it has one."""

ROLES: Final = {"till": "SERVICE", "root": "ADMIN"}
"""What callers are; all others are users, who see and move what is theirs."""

MOVEMENTS: Final = frozenset({"credit", "debit", "transfer", "reversal", "withdrawal-hold"})
"""What clients ask for under a key, as their movements are called."""

_KINDS: Final = tuple(
    (method, re.compile(path), kind)
    for method, path, kind in (
        ("POST", r"/v1/wallets/([^/]+)/credit", "credit"),
        ("POST", r"/v1/wallets/([^/]+)/debit", "debit"),
        ("POST", r"/v1/transfers()", "transfer"),
        ("POST", r"/v1/transfers/([^/]+)/reverse", "reversal"),
        ("POST", r"/v1/withdrawals()", "withdrawal-hold"),
        ("POST", r"/v1/deposits()", "order"),
        ("POST", r"/v1/wallets()", "wallet"),
        ("POST", r"/v1/idempotency/(.+)/void", "void"),
        ("GET", r"/v1/idempotency/(.+)", "key"),
        ("GET", r"/v1/wallets/([^/]+)", "read wallet"),
        ("GET", r"/v1/wallets/([^/]+)/balance", "read balance"),
        ("GET", r"/v1/wallets/([^/]+)/entries", "read entries"),
        ("GET", r"/v1/transfers/([^/]+)", "read transfer"),
        ("GET", r"/v1/withdrawals/([^/]+)", "read withdrawal"),
        ("GET", r"/v1/deposits/([^/]+)", "read order"),
        ("POST", r"/v1/wallets/([^/]+)/(?:freeze|close)", "stop"),
        ("POST", r"/v1/wallets/([^/]+)/unfreeze", "unfreeze"),
        ("POST", r"/v1/withdrawals/([^/]+)/cancel", "cancel"),
        ("POST", r"/v1/admin/withdrawals/([^/]+)/approve", "withdrawal-approved"),
        ("POST", r"/v1/admin/withdrawals/([^/]+)/reject", "withdrawal-rejected"),
        ("POST", r"/v1/admin/dlq/([^/]+)/redrive", "dead-letter-redriven"),
        ("POST", r"/v1/admin/dlq/([^/]+)/resolve", "dead-letter-resolved"),
        ("POST", r"/v1/admin/alerts/([^/]+)/resolve", "alert-resolved"),
        ("POST", r"/v1/admin/reconciliation/differences/([^/]+)/fetch", "provider-record-fetched"),
        ("POST", r"/v1/admin/reconciliation/runs()", "begin-run"),
    )
)
_NEEDED: Final = frozenset({"quota", "total", "tallied", "alert"})
"""What of the operations is judged, by what stands before the first # of its key."""
_WORRIES: Final = frozenset({"WEBHOOK_FAILURE", "PROVIDER_MISMATCH", "PAYOUT_UNCLEAR", "PAYOUT_CONTRADICTION"})
"""Alerts that say that we and a provider do not agree."""


@dataclass(frozen=True, slots=True)
class Request:
    """Hold a call, what it is for, the thing that its path names, and the key that it uses or asks for.

    `answered` are the tries that were answered, and when.
    """

    called: Called
    kind: str
    subject: str
    key: Key
    answered: tuple[tuple[Try, int, Answer], ...]

    @classmethod
    def of(cls, called: Called) -> "Request":
        """Read the path."""
        found = ((kind, pattern.fullmatch(called.path)) for method, pattern, kind in _KINDS if method == called.method)
        kind, match = next(((kind, match) for kind, match in found if match), ("other", None))
        subject = unquote(match[1]) if match else ""
        text = subject if kind in {"void", "key"} else called.key or ""
        answered = ((one, one.answered_ms, one.answer) for one in called.tries)
        return cls(
            called=called,
            kind=kind,
            subject=subject,
            key=("api", called.caller, _unquoted(text)),
            answered=tuple((one, at_ms, answer) for one, at_ms, answer in answered if at_ms is not None and answer),
        )

    @property
    def asks_for(self) -> tuple[str, Any]:
        """Give what the key is bound to."""
        return self.called.path, self.called.body

    def acknowledged(self) -> Iterator[Answer]:
        """List the answers that say that it was done."""
        return (answer for _, _, answer in self.answered if answer.status in {200, 201, 202})

    def __str__(self) -> str:
        """Name it."""
        return f"{self.called.caller}'s {self.called.method} {self.called.path} under {self.called.key}"


class Case:
    """Hold the evidence with its indexes."""

    def __init__(self, evidence: Evidence) -> None:
        """Read the tables."""
        self.evidence = evidence
        tables = evidence.tables
        read = {name: _read(tables.get(name, ())) for name in ("accounts", "transfers", "inbox", "flows")}
        self.events = read["inbox"]
        entries = sorted(_read(tables.get("entries", ())), key=ENTRY_KEY)
        wanted = (one for one in tables.get("operations", ()) if _prefix(one) in _NEEDED)
        operations = _read(wanted)
        self.stored = Stored(
            *(tuple(read["accounts"]), tuple(entries), tuple(read["transfers"])),
            *(tuple(self.events), tuple(read["flows"]), tuple(operations)),
        )
        self.accounts = {one["account_id"]: one for one in self.stored.accounts}
        self.operations = {one["operation_key"]: one for one in operations}
        self.transfers = {rules.transfer_id_of(one): one for one in self.stored.transfers}
        self.by_key = {key_of(one): one for one in self.transfers.values()}
        self.tombstones = {key_of(one): one for one in self.stored.tombstones}
        self.requests = [Request.of(called) for called in evidence.told.calls]

    @cached_property
    def withdrawals(self) -> dict[str, Item]:
        """Find withdrawals by their ids."""
        return {one["flow_id"]: one for one in rules.withdrawals_of(self.stored)}

    @cached_property
    def deposits(self) -> dict[str, Item]:
        """Find orders by their ids."""
        return {one["flow_id"]: json.loads(one["flow"]) for one in self.stored.flows if one.get("kind") == "deposit"}

    @cached_property
    def balances(self) -> dict[str, list[int]]:
        """Give every balance that an account ever had; its place in the list is how many entries it counts."""
        balances: dict[str, list[int]] = defaultdict(lambda: [0])
        for entry in self.stored.entries:
            balances[entry["account_id"]].append(entry["balance_after"])
        return balances

    @cached_property
    def places(self) -> dict[tuple[str, str], int]:
        """Find the number of an entry by its account and transfer."""
        return {(one["account_id"], one["transfer_id"]): one["sequence"] for one in self.stored.entries}

    @cached_property
    def alerts(self) -> list[Item]:
        """Give the conditions that are kept, the latest occurrence of each and those before it."""
        return [one for key, one in self.operations.items() if key.startswith("alert#")]

    @cached_property
    def audited(self) -> list[Item]:
        """Give what admins did."""
        return _read(one for one in self.evidence.tables.get("audit", ()) if "action" in one)

    @cached_property
    def published(self) -> set[tuple[str, str, str]]:
        """Give what people were told: the kind, the subject and the event."""
        return {(one["kind"], one["subject"], one["event"]) for one in self.evidence.alerts}

    @cached_property
    def rejected(self) -> set[str]:
        """Give the keys of transfers that people were told of as too much for a total."""
        return {subject for kind, subject, event in self.published if (kind, event) == ("TALLY_REJECTED", "raised")}

    @cached_property
    def names(self) -> dict[str, str]:
        """Find the flows that the names of others lead to."""
        return {one["flow_id"]: one["refers_to"] for one in self.stored.flows if "refers_to" in one}

    @cached_property
    def worries(self) -> set[str]:
        """Give all names in alerts that are not over and in events that were given up on: a person knows of these.

        What a provider has given up on is found when its books are compared, ever so much later.
        """
        lasting = (one for one in self.alerts if one["state"] != "CLOSED" and one["kind"] in _WORRIES)
        bodies = (body_of(one).decode(errors="replace") for one in self.events if one["state"] in {"DEAD", "RESOLVED"})
        lost = (one.body.decode(errors="replace") for one in self.evidence.delivered if one.signed and not one.is_taken)
        texts = chain(*((one["kind"], one["subject"], one["facts"]) for one in lasting), bodies, lost)
        names = {name for text in texts for name in re.findall(r"[\w-]+", text)}
        return names | {name.removeprefix(prefix) for name in names for prefix in ("refund-", "payout-")}

    def of_kind(self, *kinds: str) -> list[Request]:
        """List the requests of some kinds."""
        return [request for request in self.requests if request.kind in kinds]

    def raised(self, kind: str, subject: str) -> bool:
        """Tell whether people were told of a condition."""
        return (kind, subject, "raised") in self.published

    def told(self, kind: str, subject: str) -> bool:
        """Tell whether people were told anything of a condition: an admin may have resolved it before they were."""
        return any((kind, subject, event) in self.published for event in ("raised", "resolved", "ended"))


def key_of(record: Item) -> Key:
    """Give the key that a record stands under."""
    action = (record["key_action"],) if "key_action" in record else ()
    return record["key_source"], record["key_scope"], record["key_reference"], *action


def sums_of(transfer: Item) -> dict[str, int]:
    """Add up what a transfer posted to each account."""
    sums: dict[str, int] = defaultdict(int)
    for posting in transfer["postings"]:
        sums[posting["account_id"]] += posting["units"]
    return dict(sums)


def body_of(event: Item) -> bytes:
    """Give the body of an event of the inbox as it was signed."""
    content = event["body"]
    return zlib.decompress(base64.b64decode(content) if isinstance(content, str) else content)


def units_of(amount: str, scale: int) -> int:
    """Read a decimal amount exactly."""
    whole, _, fraction = amount.partition(".")
    return int(whole + fraction.ljust(scale, "0"))


def shown(units: int, scale: int) -> str:
    """Write units as the API does."""
    digits = str(abs(units)).rjust(scale + 1, "0")
    text = f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
    return f"-{text}" if units < 0 else text


def _unquoted(text: str) -> str:
    """Read a key that may be quoted, as headers may be."""
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1].replace('\\"', '"').replace("\\\\", "\\") if is_quoted else text


def _read(items: Iterable[RawItem]) -> list[Item]:
    return [plain(item) for item in items]


def _prefix(item: RawItem) -> str:
    text: str = item["operation_key"]["S"]
    return text.partition("#")[0]
