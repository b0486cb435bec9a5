"""Put an account right that is not what its entries and withdrawals say. Nothing calls this but a person's command.

Everything is worked out from an examination of the whole account, and written under the condition that it is still
exactly as it was seen; when it has moved, it is examined again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tallystick.domain.accounts import AccountKind
from tallystick.domain.audit import AuditRecord
from tallystick.domain.reconciliation import Checkpoint, Fault, Finding, Head, Tail
from tallystick.domain.repairing import MakeUp, Rederive, Refused, Remedy, blocking, rederive, unmade
from tallystick.domain.transfers import Transfer, TransferKind
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.covering import transfer_findings
from tallystick.services.examining import Desk, confirmed, examine
from tallystick.services.holdings import compare_holds, shown, units_on_hold
from tallystick.services.ports.flows import Withdrawals
from tallystick.services.ports.repairs import Repairs
from tallystick.services.settling import Books
from tallystick.services.steps import Step, find_withdrawal, take

MAX_ATTEMPTS: Final = 5
"""Times that an account which moves meanwhile is examined again."""

PAGE: Final = 500
"""Transfer records that are read at once."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Hold what repairing needs."""

    desk: Desk
    books: Books
    withdrawals: Withdrawals
    repairs: Repairs


@dataclass(frozen=True, slots=True)
class Operator:
    """Say who repairs, and from where."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Hold what is wrong with an account and what can be done about it, which is nothing when it is sound.

    It is not `clear` when the account was being written each time.
    """

    head: Head
    findings: tuple[Finding, ...] = ()
    remedy: Remedy | None = None
    entries: int = 0
    checkpoint: Checkpoint | None = None
    is_clear: bool = True


class Outcome(StrEnum):
    """Say what came of a repair."""

    SOUND = "sound"
    REPAIRED = "repaired"
    REFUSED = "refused"
    DECLINED = "declined"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Repaired:
    """Hand back what was done, and how the account stands after it."""

    outcome: Outcome
    diagnosis: Diagnosis
    done: tuple[Rederive | MakeUp, ...] = ()


def diagnose(*, workshop: Workshop, account_id: str, full: bool, now_ms: int) -> Diagnosis:
    """Examine an account with its holds, from its newest checkpoint on; what looks wrong, or when asked, whole.

    Raises:
        StoreUnavailable: try again.
    """
    found = None if full else _since_checkpoint(workshop, account_id, now_ms)
    if found is not None:
        return found
    for attempt in range(MAX_ATTEMPTS):
        try:
            return _whole(workshop, account_id, now_ms)
        except _Moved:
            workshop.desk.pause(attempt)
    return Diagnosis(Head(account_id), is_clear=False)


def repair(
    *,
    workshop: Workshop,
    account_id: str,
    operator: Operator,
    agree: Callable[[Diagnosis], bool],
    now_ms: Callable[[], int],
) -> Repaired:
    """Repair an account, if `agree` says so, until it is sound; asked again only for what is not what was agreed to.

    Raises:
        StoreUnavailable: whether the last repair was written is unknown; examine the account again.
    """
    done: list[Rederive | MakeUp] = []
    agreed: tuple[object, ...] | None = None
    for attempt in range(MAX_ATTEMPTS):
        found = diagnose(workshop=workshop, account_id=account_id, full=True, now_ms=now_ms())
        if not found.is_clear:
            break
        if found.remedy is None:
            return Repaired(Outcome.REPAIRED if done else Outcome.SOUND, found, tuple(done))
        if isinstance(found.remedy, Refused):
            return Repaired(Outcome.REFUSED, found, tuple(done))
        if found.remedy.gist != agreed and not agree(found):
            return Repaired(Outcome.DECLINED, found, tuple(done))
        agreed = found.remedy.gist
        if _apply(workshop, found, found.remedy, operator, now_ms()):
            done.append(found.remedy)
            agreed = None
        else:
            workshop.desk.pause(attempt)
    return Repaired(Outcome.UNCLEAR, Diagnosis(Head(account_id), is_clear=False), tuple(done))


def _since_checkpoint(workshop: Workshop, account_id: str, now_ms: int) -> Diagnosis | None:
    """Examine what is new; nothing unless that is sound."""
    desk = workshop.desk
    head = desk.exact.head(account_id)
    if head is None:
        return None
    newest = _newest(desk, account_id)
    examined = examine(desk=desk, head=head, newest=newest, full=False)
    if not examined.is_sound or compare_holds(desk=desk, flows=workshop.withdrawals, head=head, now_ms=now_ms) != ():
        return None
    return Diagnosis(examined.head, entries=examined.entries, checkpoint=newest)


class _Moved(Exception):
    """The account was being written; look again."""


def _whole(workshop: Workshop, account_id: str, now_ms: int) -> Diagnosis:
    """Examine all of it and find a remedy."""
    newest = _newest(workshop.desk, account_id)
    examined = confirmed(desk=workshop.desk, account_id=account_id, newest=newest)
    if not examined.is_clear:
        raise _Moved
    head = examined.head
    if examined.tail is None:
        refused = Refused(examined.findings[0].detail)
        return Diagnosis(head, examined.findings, refused, checkpoint=newest)
    is_hold = head.kind == AccountKind.HOLD
    held, shown_wrong = (0, _held_wrongly(workshop, head, now_ms)) if is_hold else _on_hold(workshop, head, now_ms)
    findings = (*examined.findings, *shown_wrong)
    remedy = _remedy(workshop, head, examined.tail, findings, held, now_ms) if findings else None
    return Diagnosis(head, findings, remedy, examined.entries, newest)


def _held_wrongly(workshop: Workshop, hold: Head, now_ms: int) -> tuple[Finding, ...]:
    """Tell what is wrong with a hold beside its entries."""
    findings = compare_holds(desk=workshop.desk, flows=workshop.withdrawals, head=hold, now_ms=now_ms)
    if findings is None:
        raise _Moved
    return findings


def _on_hold(workshop: Workshop, wallet: Head, now_ms: int) -> tuple[int, tuple[Finding, ...]]:
    """Add up what a wallet should show as on hold, and tell whether it does."""
    if compare_holds(desk=workshop.desk, flows=workshop.withdrawals, head=wallet, now_ms=now_ms) == ():
        return wallet.held, ()
    found = units_on_hold(desk=workshop.desk, flows=workshop.withdrawals, head=wallet, now_ms=now_ms)
    if found is None or found[0] != wallet:
        raise _Moved
    return found[1], shown(*found)


def _remedy(
    workshop: Workshop, head: Head, tail: Tail, findings: tuple[Finding, ...], held: int, now_ms: int
) -> Remedy:
    """Choose what puts an account right; its own members come first."""
    blocked = blocking(findings, tail)
    if blocked is not None:
        return Refused(f"The ledger itself is broken here. {blocked}")
    derived = rederive(head, tail, held)
    if isinstance(derived, Refused) or set(derived.changes) - {"held"}:
        lacking = next(_lacking(workshop.desk, head.account_id), None)
        return derived if lacking is None else Refused(f"The ledger itself is broken here. {lacking}")
    if derived.changes:
        return derived
    return _of_hold(workshop, head, now_ms)


def _lacking(desk: Desk, account_id: str) -> Iterator[Finding]:
    """Find transfers that post to an account which has no entry of them: its list would end too early."""
    after = None
    while True:
        page = desk.quick.transfers(0, 1, after, PAGE)
        for transfer_key, record in page.items:
            if isinstance(record, Transfer) and any(leg.account_id == account_id for leg in record.postings):
                found = transfer_findings(desk, transfer_key, record)
                yield from (one for one in found if (one.account_id, one.fault) == (account_id, Fault.LEG))
        after = page.next_key
        if after is None:
            return


def _of_hold(workshop: Workshop, hold: Head, now_ms: int) -> Remedy:
    """Choose what becomes of a hold, its own members being right."""
    withdrawal = find_withdrawal(workshop.books.flows, hold.owner_id)
    if withdrawal is None:
        return Refused(f"There is no withdrawal {hold.owner_id} that it belongs to.")
    wallet_id = withdrawal.wallet_id
    if hold.balance == withdrawal.total_units and withdrawal.is_open:
        return Refused(f"Its wallet {wallet_id} shows less as on hold.", wallet_id)
    kind = unmade(withdrawal, hold.balance)
    if isinstance(kind, Refused):
        return kind
    emptied_by = withdrawal.claim(kind).key.transfer_id
    missing = set(withdrawal.transfer_ids) - workshop.desk.exact.records(withdrawal.transfer_ids).keys()
    if emptied_by not in missing:
        return Refused(f"The ledger itself is broken here. It has no entry of {emptied_by}, which emptied it.")
    if len(missing) > 1:
        about = f"{withdrawal.flow_id} is {withdrawal.state}"
        return Refused(f"{about}, and more is missing than the movement that emptied its hold.")
    return _made_up(workshop, withdrawal, kind, now_ms)


def _made_up(workshop: Workshop, withdrawal: Withdrawal, kind: TransferKind, now_ms: int) -> Remedy:
    """Look at the wallet: it may be the one that gets the money, and it may show it as on hold or not."""
    wallet_id = withdrawal.wallet_id
    wallet = confirmed(desk=workshop.desk, account_id=wallet_id, newest=_newest(workshop.desk, wallet_id))
    if not wallet.is_clear:
        raise _Moved
    if wallet.findings:
        return Refused(f"Its wallet {wallet_id} is not sound itself.", wallet_id)
    units, _ = _on_hold(workshop, wallet.head, now_ms)
    excess = wallet.head.held - units
    if excess not in {0, withdrawal.total_units}:
        return Refused(f"Its wallet {wallet_id} does not show what is on hold.", wallet_id)
    return MakeUp(withdrawal, kind, is_held=excess != 0)


def _apply(workshop: Workshop, found: Diagnosis, remedy: Rederive | MakeUp, operator: Operator, now_ms: int) -> bool:
    """Write a repair and its record in the audit; tell whether the account was still as it was seen."""
    audit = _record(found, remedy, operator, now_ms)
    if isinstance(remedy, Rederive):
        return workshop.repairs.rederive(remedy, audit)
    step = Step(remedy.withdrawal.touched(), remedy.posts, audit=audit, is_held=remedy.is_held)
    return take(books=workshop.books, step=step, now_ms=now_ms) is not None


def _record(found: Diagnosis, remedy: Rederive | MakeUp, operator: Operator, now_ms: int) -> AuditRecord:
    changes = {name: f"{before} -> {after}" for name, (before, after) in remedy.changes.items()}
    if isinstance(remedy, MakeUp):
        changes["transfer_id"] = remedy.withdrawal.claim(remedy.posts).key.transfer_id
    reason = " ".join(str(finding) for finding in found.findings)
    details = {"reason": reason, "version_seen": str(found.head.version), **changes}
    return AuditRecord(found.head.account_id, "account-repaired", operator.name, now_ms, operator.source, details)


def _newest(desk: Desk, account_id: str) -> Checkpoint | None:
    return next(iter(desk.checkpoints.newest(account_id, 1)), None)
