"""Judge events of providers, and what people were told: nothing lost, nothing twice, no false alarm."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cli.demo import rules
from cli.demo.stored import Item
from tests.simulation.judging.case import Case, body_of
from tests.simulation.judging.ledger import Rule, each

_NEVER: Final = frozenset({"BALANCE_MISMATCH", "LEDGER_OVERWRITTEN"})
"""False, unless somebody has tampered with the world; TALLY_REJECTED is judged where totals are."""

_TRIES: Final = 6
"""At once, and after 1, 5, 15, 30 and 60 minutes."""

_HEALING: Final = frozenset(
    {
        *("account-not-active", "balance-limit-exceeded", "fault", "not-confirmed", "not-found"),
        *("provider-refused", "provider-unavailable", "store-unavailable", "too-much-contention"),
    }
)
"""Reasons for which an event is given up on only after its last try."""

_NAMING: Final = frozenset({"paystack", "stripe", "truelayer"})
"""Their events about money tell a name of their own, by which an order may become known later."""

_TOLD_AS: Final = {"OPEN": "raised", "CLOSED": "ended", "RESOLVED": "resolved"}
_AUDITED: Final = frozenset(
    {
        *("withdrawal-approved", "withdrawal-rejected", "dead-letter-redriven", "dead-letter-resolved"),
        *("alert-resolved", "provider-record-fetched", "begin-run"),
    }
)


def _content(provider: str, body: bytes) -> tuple[str, bytes]:
    """Give what is kept of a body: Ramp signs one form of its JSON, however it is written."""
    if provider != "ramp":
        return provider, body
    return provider, json.dumps(json.loads(body, parse_float=_number), sort_keys=True).encode()


def _number(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _kept(case: Case) -> dict[tuple[str, bytes], list[Item]]:
    kept: dict[tuple[str, bytes], list[Item]] = defaultdict(list)
    for event in case.events:
        kept[_content(event["provider"], body_of(event))].append(event)
    return kept


def kept_once(case: Case) -> Iterator[str]:
    """Find a genuine event that was answered 200 and is not in the inbox once, and one there that is not genuine."""
    kept = _kept(case)
    genuine = {_content(one.provider, one.body) for one in case.evidence.delivered if one.signed}
    taken = {_content(one.provider, one.body) for one in case.evidence.delivered if one.signed and one.is_taken}
    for content in taken - kept.keys():
        yield f"{content} was answered 200, and is not kept"
    fetched = any(any(request.acknowledged()) for request in case.of_kind("provider-record-fetched"))
    for content, events in kept.items():
        if len(events) != 1:
            yield f"{content} is kept {len(events)} times"
        # What the poller reads of Stellar, and what an admin fetches, comes without a signature.
        if content not in genuine and content[0] != "stellar" and not fetched:
            yield f"{content} is kept, and nobody has signed it"


def forged_refused(case: Case) -> Iterator[str]:
    """Find a call of a provider that was not signed and was taken."""
    for one in case.evidence.delivered:
        if not one.signed and one.is_taken:
            yield f"{one.provider} was answered {list(one.answers)} about {one.body!r}, which it has not signed"


def finished(case: Case) -> Iterator[str]:
    """Find an event that is open still, or says that it moved what is not there."""
    return each(case.events, rules.unfinished(case.stored))


def tried_before_dead(case: Case) -> Iterator[str]:
    """Find an event that was given up on before its last try, though time might have healed it."""
    for event in case.events:
        reason, attempts = event.get("reason"), event["attempts"]
        may_heal = reason in _HEALING or (reason == "unknown-order" and event["provider"] in _NAMING)
        if event["state"] in {"DEAD", "RESOLVED"} and may_heal and attempts < _TRIES:
            yield f"dlq_{event['inbox_key']} was given up on after {attempts} tries: {reason}"


def dead_is_told(case: Case) -> Iterator[str]:
    """Find a dead letter that nobody was told of, and an alert that outlived it."""
    lasting = {one["subject"] for one in case.alerts if one["kind"] == "WEBHOOK_FAILURE" and one["state"] == "OPEN"}
    resolved = {request.subject for request in case.of_kind("dead-letter-resolved") if any(request.acknowledged())}
    for event in case.events:
        name = f"dlq_{event['inbox_key']}"
        if event["state"] in {"DEAD", "RESOLVED"} and not case.told("WEBHOOK_FAILURE", name):
            yield f"{name} is {event['state']}, and nobody was told"
        is_over = event["state"] == "DONE" or (event["state"] == "RESOLVED" and name in resolved)
        if is_over and name in lasting:
            yield f"{name} is {event['state']}, and its alert is open still"


def outcome_is_told(case: Case) -> Iterator[str]:
    """Find a payout that failed or came back and that nobody was told of, and a worry that outlived its reason.

    For what lies in the queue's own dead letters an alarm goes off.
    """
    dead = case.evidence.dead.get("payouts", ())
    kinds = {"FAILED": "PAYOUT_FAILED", "RETURNED": "PAYOUT_RETURNED"}
    unclear = {one["subject"] for one in case.alerts if one["kind"] == "PAYOUT_UNCLEAR" and one["state"] == "OPEN"}
    for flow_id, one in case.withdrawals.items():
        if one["state"] in kinds and flow_id not in dead and not case.raised(kinds[one["state"]], flow_id):
            yield f"{flow_id} is {one['state']}, and nobody was told"
        if one["state"] in {"COMPLETED", *kinds} and flow_id in unclear:
            yield f"{flow_id} is {one['state']}, and is said to be unclear still"


def told(case: Case) -> Iterator[str]:
    """Find an alert that is kept and was not told as it stands."""
    for alert in case.alerts:
        event = _TOLD_AS[alert["state"]]
        if not alert["told"] or (alert["kind"], alert["subject"], event) not in case.published:
            yield f"{alert['kind']} about {alert['subject']} is {alert['state']}, and nobody was told"


def no_false_alarm(case: Case) -> Iterator[str]:
    """Find an alert that cannot be true, or a wallet that is suspected."""
    for kind, subject, event in sorted(case.published):
        if kind in _NEVER and event == "raised" and subject not in case.evidence.tampered:
            yield f"{kind} about {subject}"
    for account_id, account in case.accounts.items():
        if account["needs_reconciliation"]:
            yield f"{account_id} is suspected"


def no_alarm_missed(case: Case) -> Iterator[str]:
    """Find what was tampered with, and nobody was told."""
    for subject in case.evidence.missed:
        yield f"{subject} was tampered with, and nobody was told"


def nothing_left(case: Case) -> Iterator[str]:
    """Find messages that are left over, dead ones that nobody can place, and what a handler did not catch."""
    for name, bodies in case.evidence.queued.items():
        if bodies:
            yield f"{name} still holds {list(bodies)}"
    known = {"webhooks": {event["inbox_key"] for event in case.events}, "payouts": {*case.withdrawals}}
    for name, bodies in case.evidence.dead.items():
        for body in bodies:
            if name in known and body not in known[name]:
                yield f"{name} has given up on {body}, which is not there"
    for crash in case.evidence.crashed:
        yield f"a handler crashed: {crash}"


def _verdicts(case: Case) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    for item in case.evidence.tables.get("audit", ()):
        subject: str = item["subject"]["S"]
        if subject.startswith("reconciliation#") and "content" in item:
            yield subject, item["action_key"]["S"], json.loads(item["content"]["S"])


def reconciled(case: Case) -> Iterator[str]:
    """Find a run that has found something, and a last full run that is missing or could not judge."""
    last: dict[str, tuple[str, Mapping[str, object]]] = {}
    for subject, at, verdict in _verdicts(case):
        last[subject] = max(last.get(subject, ("", {})), (at, verdict), key=lambda one: one[0])
        sums = verdict.get("sums", {})
        findings = sums.get("findings", []) if isinstance(sums, dict) else []
        differences: Any = verdict.get("differences", {})
        found = {*differences, *(finding["account_id"] for finding in findings)}
        if found - case.evidence.tampered:
            yield f"{subject} at {at}: {findings} {verdict.get('differences', {})}"
    if not case.evidence.is_reconciled:
        return
    full = last.get("reconciliation#full", ("", {"is_judged": False}))[1]
    if full.get("is_judged") is False or full.get("suspicion"):
        yield f"the last full run is {full or 'missing'}"


def audited(case: Case) -> Iterator[str]:
    """Find what an admin did and was told so, without a record, and a record of what no admin has asked for."""
    recorded = Counter((one["action"], one["subject"]) for one in case.audited)
    asked: set[tuple[str, str]] = set()
    for request in case.of_kind(*_AUDITED):
        subject = request.subject or "reconciliation"
        asked.add((request.kind, subject))
        if any(request.acknowledged()) and not recorded[request.kind, subject]:
            yield f"{request} was acknowledged, and is not in the audit"
    for (action, subject), count in recorded.items():
        if action in _AUDITED and (action, subject) not in asked:
            yield f"the audit has {action} of {subject}, and nobody asked for that"
        if action.startswith("withdrawal-") and count > 1:
            yield f"the audit has {action} of {subject} {count} times"


RULES: Final[tuple[tuple[str, Rule], ...]] = (
    ("event-kept-once", kept_once),
    ("forged-event-refused", forged_refused),
    ("event-finished", finished),
    ("tried-before-dead", tried_before_dead),
    ("dead-letter-told", dead_is_told),
    ("outcome-told", outcome_is_told),
    ("alert-told", told),
    ("no-false-alarm", no_false_alarm),
    ("tampering-found", no_alarm_missed),
    ("nothing-left", nothing_left),
    ("reconciled", reconciled),
    ("audited", audited),
)
