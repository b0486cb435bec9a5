"""Write a small history by hand, rule by rule, for tests of the judge: plain data that a test may falsify.

ada has 100.00 from till, gives bob 30.00 which till takes back, withdraws five times by Stripe and orders two deposits,
of which one is paid with too much and left to rest by root. bob is frozen at the end.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cli.demo.rules import digest, marker_key
from tests.simulation.evidence import Delivered, Evidence, RawItem
from tests.simulation.judging.keys import time_of, view_of
from tests.simulation.told import Answer, Called, Told, Try

BEGIN_MS: Final = 1_769_860_800_000
ADA, BOB = "wal_ada", "wal_bob"
SIDE: Final = "external:stripe:USD"
PROBLEM: Final = "urn:tallystick:problem:"
DAY: Final = "2026-01-31"
LIMITS: Final = {"USD": {"min": "1.00", "max": "50.00", "fee": "0.20", "fee_percent": "1", "daily_amount": "40.00"}}
NOTES: Final = {"notes": "called her back"}

Item = dict[str, Any]

_STEPS: Final = {
    "CANCELLED": ("cancel",),
    "REJECTED": ("reject",),
    "COMPLETED": ("approve", "submit", "complete"),
    "FAILED": ("approve", "submit", "fail"),
    "RETURNED": ("approve", "submit", "complete", "return"),
}
_POSTED: Final = {
    **dict.fromkeys(("cancel", "reject", "fail"), "withdrawal-release"),
    "complete": "withdrawal",
    "return": "withdrawal-return",
}


@dataclass(slots=True)
class Books:
    """Hold everything that evidence is made of."""

    accounts: dict[str, Item] = field(default_factory=dict)
    entries: list[Item] = field(default_factory=list)
    records: dict[str, Item] = field(default_factory=dict)
    flows: dict[str, Item] = field(default_factory=dict)
    events: dict[str, Item] = field(default_factory=dict)
    audit: list[Item] = field(default_factory=list)
    operations: dict[str, Item] = field(default_factory=dict)
    told: Told = field(default_factory=Told)
    things: dict[str, dict[str, Any]] = field(default_factory=lambda: {"stripe": {}, "stellar": {}})
    queued: dict[str, list[str]] = field(default_factory=lambda: {"webhooks": [], "payouts": []})
    dead: dict[str, list[str]] = field(default_factory=dict)
    alerts: list[Item] = field(default_factory=list)
    delivered: list[Delivered] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    transfers: dict[str, Item] = field(default_factory=dict)
    now_ms: int = BEGIN_MS

    def evidence(self) -> Evidence:
        """Show all of it as DynamoDB, clients and providers would."""
        for flow in self.flows.values():
            if "kind" in flow:
                flow["flow"] = json.dumps(flow["content"])
        tables = {
            "accounts": self.accounts.values(),
            "entries": self.entries,
            "transfers": self.records.values(),
            "flows": ({name: one[name] for name in one if name != "content"} for one in self.flows.values()),
            "inbox": self.events.values(),
            "audit": self.audit,
            "operations": ({"operation_key": key, **one} for key, one in self.operations.items()),
        }
        return Evidence(
            tables={name: [wired(item) for item in items] for name, items in tables.items()},
            told=self.told,
            providers=self.things,
            queued=self.queued,
            dead=self.dead,
            alerts=self.alerts,
            delivered=self.delivered,
            crashed=self.crashed,
            missed=self.missed,
            rules=LIMITS,
        )

    def open(self, account_id: str, owner: str, kind: str = "user") -> None:
        """Open an account."""
        self.accounts[account_id] = {
            "account_id": account_id,
            "owner_id": owner,
            "kind": kind,
            "asset": "USD",
            "scale": 2,
            "balance": 0,
            "held": 0,
            "version": 0,
            "head_time_ms": 0,
            "status": "ACTIVE",
            "head_hash": digest("tallystick/genesis/1", account_id, "USD"),
            "needs_reconciliation": False,
            "created_at": time_of(BEGIN_MS),
        }

    def move(self, kind: str, legs: Mapping[str, int], *key: str, **members: Any) -> Item:  # noqa: ANN401 (JSON)
        """Post a movement, and add it to the totals."""
        self.now_ms += 1000
        transfer_key = digest("tallystick/key/1", *key)
        names = ("key_source", "key_scope", "key_reference", "key_action")
        transfer = {
            "transfer_key": transfer_key,
            "item": "transfer",
            "kind": kind,
            "asset": "USD",
            "scale": 2,
            **dict(zip(names, key, strict=False)),
            "created_at_ms": self.now_ms,
            "units": sum(units for units in legs.values() if units > 0),
            "postings": [self._posted(account_id, units) for account_id, units in legs.items()],
            **members,
        }
        self.records[transfer_key] = transfer
        self.transfers[f"{kind} {key[2]}"] = transfer
        for posting in transfer["postings"]:
            self._enter(posting, transfer)
        return transfer

    def call(self, who: str, call: str, body: Any = None, key: str | None = None) -> Called:  # noqa: ANN401 (JSON)
        """Note a call that was not answered yet."""
        method, path = call.split()
        self.told.calls.append(Called(who, method, path, body, key))
        return self.told.calls[-1]

    def answer(
        self, called: Called, status: int, document: Mapping[str, Any] | None = None, *, again: bool = False
    ) -> Item:
        """Note a try of a call, and its answer."""
        self.now_ms += 100
        shown = dict(document or {})
        answer = Answer(status, shown, {"Idempotency-Replayed": "true"} if again else {})
        called.tries.append(Try(self.now_ms - 50, self.now_ms, answer))
        return shown

    def refuse(self, called: Called, status: int, problem: str, **members: Any) -> None:  # noqa: ANN401 (JSON)
        """Note a try of a call, and its refusal."""
        self.answer(called, status, {"type": PROBLEM + problem, **members})

    def found(self, call: str, number: int = 0) -> Called:
        """Find a call by its method and path."""
        return [one for one in self.told.calls if f"{one.method} {one.path}" == call][number]

    def document(self, call: str, number: int = 0) -> dict[str, Any]:
        """Give what the last answer of a call has shown, to be falsified."""
        answer = self.found(call, number).tries[-1].answer
        assert answer is not None
        document = answer.document
        assert isinstance(document, dict)
        return document

    def alert(self, kind: str, subject: str, state: str = "OPEN") -> None:
        """Tell people of a condition."""
        told = {"OPEN": ("raised",), "CLOSED": ("raised", "ended"), "RESOLVED": ("raised", "resolved")}[state]
        kept = {"kind": kind, "subject": subject, "facts": "{}", "state": state, "told": True}
        self.operations[f"alert#{kind}{subject}"] = kept
        self.alerts += [{"kind": kind, "subject": subject, "event": event, "facts": {}} for event in told]

    def deliver(self, provider: str, body: Mapping[str, Any], state: str = "DONE", **members: Any) -> str:  # noqa: ANN401
        """Let a provider tell of something."""
        octets = json.dumps(body).encode()
        inbox_key = digest("tallystick/inbox/1", provider, "test", str(body["id"]))
        self.events[inbox_key] = {
            "inbox_key": inbox_key,
            "provider": provider,
            "external_id": body["id"],
            "state": state,
            "attempts": 1,
            "body": zlib.compress(octets),
            "accepted": False,
            **members,
        }
        self.delivered.append(Delivered(provider, octets, signed=True, answers=[None, 200]))
        return inbox_key

    def withdraw(self, name: str, state: str, *statuses: str) -> str:
        """Withdraw 10.00 of ada's; the provider has payouts that stand so."""
        flow_id, hold = f"wdr_{name}", f"hold:wdr_{name}"
        self.open(hold, flow_id, "hold")
        called = self.call("ada", "POST /v1/withdrawals", withdrawal_body(), name)
        metadata = json.dumps({"withdrawal_id": flow_id})
        held = self.move("withdrawal-hold", {ADA: -1030, hold: 1030}, "api", "ada", name, metadata=metadata)
        steps = ("request", *(("review",) if state == "REJECTED" else ()), *_STEPS[state])
        who = {"request": "ada", "cancel": "ada", "reject": "root", "complete": "stripe", "fail": "stripe"}
        history = [
            {"action": one, "at_ms": 0, "by": who.get(one, "stripe" if one == "return" else "rule")} for one in steps
        ]
        content = {
            "flow_id": flow_id,
            "owner_id": "ada",
            "wallet_id": ADA,
            "provider": "stripe",
            "state": state,
            "asset": {"code": "USD", "scale": 2},
            "units": 1000,
            "fee_units": 30,
            "quota_day": DAY,
            "hold_transfer_id": id_of(held),
            "history": history,
            "created_at_ms": self.now_ms,
            **({"payout_id": f"po_{name}"} if statuses else {}),
        }
        self.flows[flow_id] = {"flow_id": flow_id, "kind": "withdrawal", "state": state, "content": content}
        begun = withdrawal_view(content, 1)
        self.answer(called, 201, begun)
        self.answer(called, 201, withdrawal_view(content, len(steps)), again=True)
        gone = {SIDE: 1000, "external:fees:USD": 30}
        legs = {
            "withdrawal": {hold: -1030, **gone},
            "withdrawal-release": {hold: -1030, ADA: 1030},
            "withdrawal-return": {**{one: -units for one, units in gone.items()}, ADA: 1030},
        }
        for kind in (_POSTED[step] for step in steps if step in _POSTED):
            self.move(kind, legs[kind], "withdrawal", "test", flow_id, kind, metadata=metadata)
        for number, status in enumerate(statuses):
            thing = {"id": f"po_{name}", "object": "payout", "status": status, "amount": 1000, "currency": "usd"}
            self.things["stripe"][f"po_{name}{number or ''}"] = {**thing, "metadata": {"withdrawal_id": flow_id}}
        return flow_id

    def order(self, name: str, paid: int) -> str:
        """Order 25.00 for ada's wallet, which is paid with so much."""
        flow_id = f"dep_{name}"
        content = {
            "flow_id": flow_id,
            "owner_id": "ada",
            "wallet_id": ADA,
            "provider": "stripe",
            "expected": "25.00",
            "asset": {"code": "USD", "scale": 2},
            "currency": "USD",
            "created_at_ms": self.now_ms,
            "payments": {},
        }
        self.flows[flow_id] = {"flow_id": flow_id, "kind": "deposit", "state": "CREATED", "content": content}
        self.flows[f"stripe:pi_{name}"] = {"flow_id": f"stripe:pi_{name}", "refers_to": flow_id}
        body = {"wallet_id": ADA, "provider": "stripe", "amount": "25.00", "currency": "USD"}
        told = {**body, "deposit_id": flow_id, "asset": "USD", "scale": 2, "transfers": []}
        self.answer(
            self.call("ada", "POST /v1/deposits", body, name), 201, {**told, "created_at": time_of(self.now_ms - 0)}
        )
        thing = {"id": f"pi_{name}", "status": "succeeded", "amount": paid, "amount_received": paid}
        self.things["stripe"][f"pi_{name}"] = {**thing, "metadata": {"deposit_id": flow_id}}
        return flow_id

    def _posted(self, account_id: str, units: int) -> Item:
        posting: Item = {"account_id": account_id, "units": units}
        if not account_id.startswith("external:"):
            account = self.accounts[account_id]
            posting |= {"owner_id": account["owner_id"], "balance_after": account["balance"] + units}
        return posting

    def _enter(self, posting: Item, transfer: Item) -> None:
        account_id, units = posting["account_id"], posting["units"]
        if account_id.startswith("external:"):
            self.operations[f"tallied#{transfer['transfer_key']}"] = {}
            for key in (f"total#{account_id}", f"total#{account_id}#{transfer['created_at_ms'] // 10_000}"):
                total = self.operations.setdefault(key, {"balance": 0, "postings": 0})
                total["balance"] += units
                total["postings"] += 1
            return
        account = self.accounts[account_id]
        entry = {
            "account_id": account_id,
            "sequence": account["version"] + 1,
            "time_ms": transfer["created_at_ms"],
            "kind": transfer["kind"],
            "asset": "USD",
            "scale": 2,
            "units": units,
            "balance_after": account["balance"] + units,
            "transfer_id": id_of(transfer),
            "previous_hash": account["head_hash"],
        }
        entry["entry_key"] = f"{time_of(entry['time_ms'])}#{entry['sequence']}"
        entry["hash"] = hash_of(entry)
        self.entries.append(entry)
        account |= {"balance": entry["balance_after"], "version": entry["sequence"]}
        account |= {"head_hash": entry["hash"], "head_time_ms": entry["time_ms"]}


def wired(item: Mapping[str, Any]) -> RawItem:
    """Write an item as DynamoDB's API has it."""
    return {name: _wired(value) for name, value in item.items()}


def _wired(value: Any) -> dict[str, Any]:  # noqa: ANN401 (plain data)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return {"L": [_wired(member) for member in value]}
    if isinstance(value, dict):
        return {"M": {name: _wired(member) for name, member in value.items()}}
    kinds = {str: "S", bool: "BOOL", int: "N", bytes: "B"}
    return {kinds[type(value)]: str(value) if type(value) is int else value}


def hash_of(entry: Item) -> str:
    """Hash an entry as published."""
    names = ("sequence", "time_ms", "kind", "asset", "scale", "units", "balance_after", "transfer_id")
    told = (str(entry[name]) for name in names)
    return digest("tallystick/entry/1", entry["previous_hash"], entry["account_id"], *told)


def id_of(transfer: Item) -> str:
    """Name a transfer."""
    return f"trf_{transfer['transfer_key']}"


def withdrawal_body(amount: str = "10.00") -> Item:
    """Write a request."""
    return {"wallet_id": ADA, "provider": "stripe", "amount": amount, "destination": {"type": "stripe"}}


def withdrawal_view(content: Item, steps: int) -> Item:
    """Show a withdrawal as it was after so many steps."""
    states = {"request": "REQUESTED", "review": "IN_REVIEW", "approve": "APPROVED", "submit": "SUBMITTED"}
    ends = {
        "cancel": "CANCELLED",
        "reject": "REJECTED",
        "complete": "COMPLETED",
        "fail": "FAILED",
        "return": "RETURNED",
    }
    history = content["history"][:steps]
    return {
        **{name: content[name] for name in ("owner_id", "wallet_id", "provider")},
        "withdrawal_id": content["flow_id"],
        "state": {**states, **ends}[history[-1]["action"]],
        "asset": "USD",
        "scale": 2,
        "amount": "10.00",
        "fee": "0.30",
        "total": "10.30",
        "destination": {},
        "history": [{"action": one["action"], "by": one["by"]} for one in history],
        "transfers": [content["hold_transfer_id"]],
        "submit_after": "",
        "created_at": time_of(content["created_at_ms"]),
    }


def build() -> Books:
    """Let all of it happen."""
    books = Books()
    books.open(ADA, "ada")
    books.open(BOB, "bob")
    wallet = {"wallet_id": ADA, "owner_id": "ada", "asset": "USD", "scale": 2, "version": 0, "label": None}
    opened = books.call("ada", "POST /v1/wallets", {"asset": "USD"}, "open")
    books.answer(opened, 201, {**wallet, "created_at": time_of(BEGIN_MS), "balance": "0.00"})
    _move(books)
    _look(books)
    _withdraw(books)
    _deposit(books)
    books.answer(books.call("root", "POST /v1/admin/reconciliation/runs", {"full": True}), 202)
    books.audit += [audited("begin-run", "reconciliation"), verdict("full")]
    return books


def verdict(mode: str, at: str = "2026-01-31T13:00:00.000Z", **members: Any) -> Item:  # noqa: ANN401 (JSON)
    """Write what a run of reconciliation came to."""
    content = {"run": {"run_id": "run_1"}, "sums": {"counted": {"accounts": 9}}, **members}
    return {"subject": f"reconciliation#{mode}", "action_key": f"{at}#run_1", "content": json.dumps(content)}


def _move(books: Books) -> None:
    credit = books.call("till", f"POST /v1/wallets/{ADA}/credit", {"amount": "100", "reference": "stripe:pi_0"}, "c1")
    credit.tries.append(Try(books.now_ms))
    made = books.move("credit", {ADA: 10_000, SIDE: -10_000}, "api", "till", "c1", reference="stripe:pi_0")
    books.answer(credit, 201, view_of(made) | {"transfer_id": id_of(made), "reversed_by": None}, again=True)
    books.answer(credit, 201, books.document(f"POST /v1/wallets/{ADA}/credit"), again=True)
    body = {"source": ADA, "destination": BOB, "amount": "30.00", "metadata": {"for": "lunch"}}
    transfer = books.call("ada", "POST /v1/transfers", body, "t1")
    lunch = books.move("transfer", {ADA: -3000, BOB: 3000}, "api", "ada", "t1", metadata=json.dumps(body["metadata"]))
    books.answer(transfer, 201, view_of(lunch) | {"transfer_id": id_of(lunch), "reversed_by": None})
    again = books.call("ada", "POST /v1/transfers", {**body, "amount": "31.00"}, "t1")
    books.refuse(again, 422, "idempotency-key-reused")
    much = books.call("ada", "POST /v1/transfers", {**body, "amount": "70.01"}, "t2")
    books.refuse(much, 409, "insufficient-funds", account=ADA, available="70.00", asset="USD", scale=2)
    reverse = books.call("till", f"POST /v1/transfers/{id_of(lunch)}/reverse", {}, "r1")
    legs = {ADA: 3000, BOB: -3000}
    undone = books.move("reversal", legs, "api", "till", "r1", reverses=id_of(lunch))
    marker = marker_key(id_of(lunch))
    books.records[marker] = {"transfer_key": marker, "item": "reversal", "reversed_by": id_of(undone)}
    books.answer(reverse, 201, view_of(undone) | {"transfer_id": id_of(undone), "reversed_by": None})
    twice = books.call("till", f"POST /v1/transfers/{id_of(lunch)}/reverse", {}, "r2")
    books.refuse(twice, 409, "already-reversed", reversed_by=id_of(undone))
    void = books.call("ada", "POST /v1/idempotency/t2/void")
    key = digest("tallystick/key/1", "api", "ada", "t2")
    books.records[key] = {"transfer_key": key, "item": "void", "created_at_ms": books.now_ms}
    books.records[key] |= {"key_source": "api", "key_scope": "ada", "key_reference": "t2"}
    books.answer(void, 200, {"state": "voided"})
    books.refuse(much, 409, "idempotency-key-voided")
    books.refuse(books.call("ada", "POST /v1/idempotency/t1/void"), 409, "idempotency-key-committed")


def _look(books: Books) -> None:
    lunch = books.transfers["transfer t1"]
    wallet = {"wallet_id": ADA, "owner_id": "ada", "balance": "100.00", "scale": 2, "version": 3}
    books.answer(books.call("ada", f"GET /v1/wallets/{ADA}"), 200, wallet)
    books.answer(books.call("ada", f"GET /v1/wallets/{ADA}/balance"), 200, {**wallet, "sequence": 3})
    entries = [one for one in books.entries if one["account_id"] == ADA][::-1]
    shown = [
        {**one, "amount": f"{one['units'] / 100:.2f}", "balance_after": f"{one['balance_after'] / 100:.2f}"}
        for one in entries
    ]
    books.answer(books.call("ada", f"GET /v1/wallets/{ADA}/entries"), 200, {"items": shown, "next_cursor": None})
    reversed_by = id_of(books.transfers["reversal r1"])
    told = view_of(lunch) | {"transfer_id": id_of(lunch), "reversed_by": reversed_by}
    books.answer(books.call("ada", f"GET /v1/transfers/{id_of(lunch)}"), 200, told)
    books.answer(books.call("ada", "GET /v1/idempotency/t1"), 200, {"state": "committed", "transfer": told})
    books.answer(books.call("ada", "GET /v1/idempotency/t2"), 200, {"state": "voided", "transfer": None})
    books.answer(books.call("ada", "GET /v1/idempotency/t9"), 200, {"state": "unknown", "transfer": None})
    books.refuse(books.call("eve", f"GET /v1/wallets/{ADA}"), 404, "not-found")
    books.accounts[BOB]["status"] = "FROZEN"
    frozen = {"wallet_id": BOB, "owner_id": "bob", "balance": "0.00", "scale": 2, "version": 2, "status": "FROZEN"}
    books.answer(books.call("root", f"POST /v1/wallets/{BOB}/freeze", {"reason": "lost"}), 200, frozen)


def _withdraw(books: Books) -> None:
    books.withdraw("paid", "COMPLETED", "paid")
    books.alert("PAYOUT_FAILED", books.withdraw("failed", "FAILED", "failed"))
    books.alert("PAYOUT_RETURNED", books.withdraw("returned", "RETURNED", "failed"))
    cancelled, rejected = books.withdraw("cancelled", "CANCELLED"), books.withdraw("rejected", "REJECTED")
    for flow_id, call in (
        (cancelled, f"POST /v1/withdrawals/{cancelled}/cancel"),
        (rejected, f"POST /v1/admin/withdrawals/{rejected}/reject"),
    ):
        who = "ada" if flow_id == cancelled else "root"
        content = books.flows[flow_id]["content"]
        books.answer(books.call(who, call, NOTES), 200, withdrawal_view(content, len(content["history"])))
    books.audit.append(audited("withdrawal-rejected", rejected))
    books.operations[f"quota#withdrawals#ada#USD#{DAY}"] = {"units": 2000, "count": 2}
    books.alert("PAYOUT_UNCLEAR", "wdr_paid", "CLOSED")
    books.deliver("stripe", {"id": "evt_paid", "about": "po_paid"})


def audited(action: str, subject: str) -> Item:
    """Write what an admin did."""
    return {"subject": subject, "action_key": f"{DAY}#{action}", "action": action, "actor_id": "root"}


def _deposit(books: Books) -> None:
    flow_id = books.order("whole", 2500)
    key = ("stripe", "test")
    metadata = json.dumps({"deposit_id": flow_id})
    books.move("deposit", {ADA: 2500, SIDE: -2500}, *key, "pi_whole", "deposit", metadata=metadata)
    books.move("refund", {ADA: -1000, SIDE: 1000}, *key, "re_1", "refund", metadata=metadata)
    content = books.flows[flow_id]["content"]
    content["payments"]["pi_whole"] = {"units": 2500, "account_id": ADA}
    content["claims"] = {"re_1": {"kind": "refund", "units": 1000, "payment_id": "pi_whole", "covered": True}}
    books.things["stripe"]["re_1"] = {"payment_intent": "pi_whole", "amount": 1000, "status": "succeeded"}
    books.deliver("stripe", {"id": "evt_whole"}, transfers=json.dumps([id_of(books.transfers["deposit pi_whole"])]))
    books.order("more", 2600)
    more = books.deliver("stripe", {"id": "evt_more", "payment": "pi_more"}, "RESOLVED", reason="amount-mismatch")
    dead = f"dlq_{more}"
    books.alert("WEBHOOK_FAILURE", dead, "CLOSED")
    books.answer(books.call("root", f"POST /v1/admin/dlq/{dead}/resolve", NOTES), 200)
    books.audit.append(audited("dead-letter-resolved", dead))
    books.delivered.append(Delivered("stripe", b"forged", signed=False, answers=[401]))
