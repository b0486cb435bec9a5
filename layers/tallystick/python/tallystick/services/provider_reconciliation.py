"""Compare each provider's books with ours, and tell people what does not agree. Nothing is ever corrected here."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from tallystick.domain.deposits import PREFIX, Deposit
from tallystick.domain.differences import Difference, Run, difference_id
from tallystick.domain.errors import TallystickError
from tallystick.domain.flows import Flow
from tallystick.domain.money import Amount
from tallystick.domain.payouts import Report
from tallystick.domain.provider_matching import (
    DIFFERENCES,
    Match,
    changed_at_ms,
    claimed,
    is_final,
    is_money_claimed,
    is_success,
    judge,
)
from tallystick.domain.provider_records import Direction, ProviderRecord, Wanted
from tallystick.domain.webhooks import Environment, Provider
from tallystick.domain.withdrawals import PREFIX as WITHDRAWAL_PREFIX
from tallystick.domain.withdrawals import Withdrawal, WithdrawalState
from tallystick.services.ports.alerts import Alert, Alerts
from tallystick.services.ports.payouts import Payer
from tallystick.services.ports.provider_records import ComparedFlows, Differences, ProviderRecords, Runs
from tallystick.services.processing import WEBHOOK_FAILURE

PROVIDER_MISMATCH: Final = "PROVIDER_MISMATCH"

FIRST_WINDOW_MS: Final = 86_400_000
"""So far back the first run of all looks."""

SLICE_MS: Final = 21_600_000
"""So much of the list is read before it is compared."""

MAX_RECORDS: Final = 20_000
"""Of one slice; one that has more is halved."""

LEASE_MS: Final = 600_000
"""So long a run of a provider keeps others from it."""

MAX_TRIES: Final = 3
"""Looks at a flow that changes while its provider is asked."""

PAGE: Final = 100


class ReconciliationFailed(TallystickError):
    """Some providers could not be compared to the end; the others were."""


class _TooMany(Exception):
    """A slice holds more than is compared at once."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Say which money of a provider is ours, and after how long a difference is one."""

    environment: Environment
    ageing_ms: int


@dataclass(frozen=True, slots=True)
class Desk:
    """Hold what comparing needs; a provider without `records` cannot be asked."""

    flows: ComparedFlows
    records_of: Callable[[Provider], ProviderRecords | None]
    payer_of: Callable[[Provider], Payer]
    differences: Differences
    runs: Runs
    alerts: Alerts
    terms: Mapping[Provider, Terms]


def reconcile(*, desk: Desk, now_ms: int, is_over: Callable[[], bool]) -> list[Run]:
    """Compare every provider, and give the runs; one that another invocation is at is left out.

    When `is_over`, the rest is left to the next run.

    Raises:
        ReconciliationFailed: of some provider not everything could be compared; all others were.
    """
    runs: list[Run] = []
    faults: list[Exception] = []
    for provider in desk.terms:
        try:
            runs += _of_provider(desk, provider, now_ms, is_over)
        except Exception as fault:  # noqa: BLE001 (one provider must not hold up the others)
            fault.add_note(f"while {provider} was compared")
            faults.append(fault)
    if faults:
        notes = "; ".join(f"{type(fault).__name__} {' '.join(fault.__notes__)}" for fault in faults)
        raise ReconciliationFailed(notes) from ExceptionGroup("providers", faults)
    return runs


def last_runs(*, runs: Runs, providers: Iterable[Provider]) -> list[Run]:
    """Give the last run of each provider, also of one that never ran."""
    return [runs.get(provider) for provider in providers]


def _of_provider(desk: Desk, provider: Provider, now_ms: int, is_over: Callable[[], bool]) -> list[Run]:
    last = desk.runs.get(provider)
    if now_ms < last.busy_until_ms or is_over():
        return []
    run = last.next(busy_until_ms=now_ms + LEASE_MS, started_ms=now_ms, counts={}, pages=0, failure=None)
    if not desk.runs.save(run):
        return []
    comparison = _Comparison(desk, provider, now_ms, is_over, run)
    try:
        comparison.carry_out()
    except Exception as fault:
        comparison.close(failure=type(fault).__name__)
        raise
    return [comparison.close(failure="cut-off" if is_over() else None)]


@dataclass
class _Comparison:
    """Compare one provider, once.

    `first` names the first successful record of each flow, `judged` what was compared so far, `known` the differences
    that are listed.
    """

    desk: Desk
    provider: Provider
    now_ms: int
    is_over: Callable[[], bool]
    run: Run
    first: dict[str, str] = field(default_factory=dict)
    judged: dict[str, Match] = field(default_factory=dict)
    known: dict[str, Difference] = field(default_factory=dict)

    @property
    def _terms(self) -> Terms:
        return self.desk.terms[self.provider]

    @property
    def _aged_before_ms(self) -> int:
        return self.now_ms - self._terms.ageing_ms

    def carry_out(self) -> None:
        """Compare what the provider lists with ours, what we have with the provider, and old differences again."""
        records = self.desk.records_of(self.provider)
        if records is None:
            self._note_unlisted()
            return
        self.known = {difference.name: difference for difference in self.desk.differences.open(self.provider)}
        self._remember_first()
        self._compare_listed(records)
        for flow in self._unreconciled():
            self._compare_flow(records, flow)
        for difference in list(self.known.values()):
            if difference.name not in self.judged and not self.is_over():
                self._compare_again(records, difference)

    def close(self, *, failure: str | None) -> Run:
        """Write down what it came to, and let others at it."""
        counts = dict(Counter(match.value for match in self.judged.values()))
        self._save(busy_until_ms=0, ended_ms=self.now_ms, counts=counts, failure=failure)
        return self.run

    # What the provider lists

    def _compare_listed(self, records: ProviderRecords) -> None:
        settled_ms = self._aged_before_ms - records.overlap_ms
        at_ms = self.run.reached_ms or self.now_ms - FIRST_WINDOW_MS
        self._save(since_ms=at_ms, until_ms=self.now_ms)
        length_ms = SLICE_MS
        while at_ms < self.now_ms and not self.is_over():
            end_ms = min(at_ms + length_ms, self.now_ms)
            try:
                listed = self._slice(records, at_ms, end_ms)
            except _TooMany:
                length_ms //= 2
                continue
            for record in listed:
                self._compare(records, record)
            at_ms = end_ms
            self._save(reached_ms=max(self.run.reached_ms, min(at_ms, settled_ms)))

    def _slice(self, records: ProviderRecords, since_ms: int, until_ms: int) -> list[ProviderRecord]:
        """Read a part of the list, in the order of its times whatever order it comes in; of one thing what is newest.

        Raises:
            _TooMany: it is more than can be held, and can be halved.
        """
        found: list[ProviderRecord] = []
        for page in records.listed(since_ms, until_ms):
            self.run = replace(self.run, pages=self.run.pages + 1)
            found += page
            if len(found) > MAX_RECORDS and until_ms - since_ms > 1:
                raise _TooMany
        ordered = sorted(found, key=_position)
        newest = {record.name: record for record in ordered}
        return sorted(newest.values(), key=_position)

    def _compare(self, records: ProviderRecords, record: ProviderRecord) -> Match:
        flow = self._flow_of(record)
        match = self._judged(flow, record)
        if match in DIFFERENCES and not self._is_known(match, record, flow):
            match, record, flow = self._confirmed(records, record, flow)
        if flow is not None and is_success(record):
            self.first.setdefault(flow.flow_id, record.record_id)
        self._conclude(match, record.wanted, record, flow)
        return match

    def _judged(self, flow: Flow | None, record: ProviderRecord) -> Match:
        first = self.first.get(flow.flow_id) if flow else None
        return judge(flow, record, first=first, aged_before_ms=self._aged_before_ms)

    def _is_known(self, match: Match, record: ProviderRecord, flow: Flow | None) -> bool:
        """Tell whether the very same was confirmed before."""
        known = self.known.get(record.name)
        seen = (known.match, known.record, known.flow_version) if known else None
        return seen == (match, record, flow.version if flow else None)

    def _confirmed(
        self, records: ProviderRecords, record: ProviderRecord, flow: Flow | None
    ) -> tuple[Match, ProviderRecord, Flow | None]:
        """Ask the provider again between two looks at the flow: only so the two are of one moment."""
        for _ in range(MAX_TRIES):
            asked = self._asked_about(records, record, flow)
            again = self._flow_of(asked)
            if (again and again.version) == (flow and flow.version):
                return self._judged(again, asked), asked, again
            flow = again
        return Match.IN_TRANSIT, record, flow

    def _asked_about(self, records: ProviderRecords, record: ProviderRecord, flow: Flow | None) -> ProviderRecord:
        """Ask for a record by itself; one that cannot be asked for is what the list says."""
        told = self._asked(records, record.wanted, flow)
        if told is None or told.record_id != record.record_id:
            return record
        return replace(told, at_ms=record.at_ms, references=record.references)

    # What we have

    def _unreconciled(self) -> Iterator[Flow]:
        after: str | None = None
        while not self.is_over():
            page = self.desk.flows.unreconciled(self.provider, PAGE, after)
            for flow in page.items:
                if not self.is_over():
                    yield flow
            after = page.next_key
            if after is None:
                return

    def _compare_flow(self, records: ProviderRecords, flow: Flow) -> None:
        """See that the provider knows what a flow claims; a flow that is final and agrees is looked at no more."""
        if not self._is_ours(flow) or self._is_looked_after(flow):
            return
        matches = {self._compare_claim(records, flow, wanted) for wanted in claimed(flow)}
        if matches <= {Match.MATCHED} and is_final(flow, aged_before_ms=self._aged_before_ms):
            self.desk.flows.reconciled(flow)

    def _compare_claim(self, records: ProviderRecords, flow: Flow, wanted: Wanted) -> Match:
        if wanted.name in self.judged:
            return self.judged[wanted.name]
        if wanted.direction not in {*records.asks, Direction.PAYOUT}:
            return Match.MATCHED
        told = self._asked(records, wanted, flow)
        if told is not None:
            return self._compare(records, told)
        match = self._of_absent(flow)
        self._conclude(match, wanted, None, flow)
        return match

    def _of_absent(self, flow: Flow) -> Match:
        """Judge what the provider does not know."""
        if not is_money_claimed(flow):
            return Match.MATCHED if is_final(flow, aged_before_ms=self._aged_before_ms) else Match.IN_TRANSIT
        again = self.desk.flows.get(flow.flow_id)
        is_young = changed_at_ms(flow) > self._aged_before_ms
        if is_young or again is None or again.version != flow.version:
            return Match.IN_TRANSIT
        return Match.MISSING_AT_PROVIDER

    def _is_looked_after(self, flow: Flow) -> bool:
        """Tell whether the payout is under way and asked for regularly."""
        under_way = isinstance(flow, Withdrawal) and flow.state is WithdrawalState.SUBMITTED
        return under_way and isinstance(flow, Withdrawal) and flow.not_before_ms > self._aged_before_ms

    def _note_unlisted(self) -> None:
        """Count what cannot be compared, and let go of what stays as it is."""
        for flow in self._unreconciled():
            self.judged |= {wanted.name: Match.NOT_LISTED for wanted in claimed(flow)}
            if is_final(flow, aged_before_ms=self._aged_before_ms):
                self.desk.flows.reconciled(flow)

    # What did not agree before

    def _remember_first(self) -> None:
        """Let records of differences come first, for they are older than what is listed."""
        records = [difference.record for difference in self.known.values() if difference.record]
        for record in sorted(records, key=_position):
            flow = self._flow_of(record)
            if flow is not None and is_success(record):
                self.first.setdefault(flow.flow_id, record.record_id)

    def _compare_again(self, records: ProviderRecords, difference: Difference) -> None:
        flow = self.desk.flows.get(difference.flow_id) if difference.flow_id else None
        told = self._asked(records, difference.wanted, flow)
        at_ms = difference.record.at_ms if difference.record else difference.first_seen_ms
        record = difference.record if told is None else replace(told, at_ms=at_ms)
        if record is not None:
            self._compare(records, record)
            return
        is_claimed = flow is not None and any(wanted.name == difference.name for wanted in claimed(flow))
        match = self._of_absent(flow) if flow is not None and is_claimed else Match.MATCHED
        self._conclude(match, difference.wanted, None, flow)

    # Both

    def _asked(self, records: ProviderRecords, wanted: Wanted, flow: Flow | None) -> ProviderRecord | None:
        """Ask the provider for one thing; nothing when it does not know it, or cannot be asked."""
        if wanted.direction is not Direction.PAYOUT:
            return records.retrieve(wanted) if wanted.direction in records.asks else None
        if not isinstance(flow, Withdrawal) or flow.sending is None:
            return None
        payout_id = wanted.record_id if wanted.record_id != flow.flow_id else None
        report = self.desk.payer_of(self.provider).look_up(replace(flow, payout_id=payout_id), self.now_ms)
        if report.amount is None or report.payout_id is None:
            return None
        return ProviderRecord(self.provider, report.payout_id, wanted.references, report, changed_at_ms(flow))

    def _flow_of(self, record: ProviderRecord) -> Flow | None:
        """Find the order or withdrawal that a record names."""
        kind = Withdrawal if isinstance(record.told, Report) else Deposit
        for reference in record.references:
            is_ours = reference.startswith((PREFIX, WITHDRAWAL_PREFIX))
            flow_id = reference if is_ours else self.desk.flows.find(reference)
            flow = self.desk.flows.get(flow_id) if flow_id else None
            if isinstance(flow, kind) and self._is_ours(flow):
                return flow
        return None

    def _is_ours(self, flow: Flow) -> bool:
        return (flow.provider, flow.environment) == (self.provider, self._terms.environment)

    def _conclude(self, match: Match, wanted: Wanted, record: ProviderRecord | None, flow: Flow | None) -> None:
        """Count it, and see that people know of a difference once, until it is gone."""
        self.judged[wanted.name] = match
        known = self.known.pop(wanted.name, None)
        if match in DIFFERENCES:
            # Not all of them are known beforehand when there are very many.
            known = known or self.desk.differences.get(difference_id(self.provider, wanted.name))
            self._keep(match, wanted, record, flow, known)
        elif known is not None:
            self.desk.alerts.end_alert(*_condition(known))
            self.desk.differences.end(known, self.now_ms)

    def _keep(
        self, match: Match, wanted: Wanted, record: ProviderRecord | None, flow: Flow | None, known: Difference | None
    ) -> None:
        is_new = known is None or known.match is not match
        difference = Difference(
            provider=self.provider,
            wanted=wanted,
            match=match,
            record=record,
            flow_id=flow.flow_id if flow else None,
            flow_version=flow.version if flow else None,
            ours=_ours(flow),
            theirs=_shown(record.amount if record else None),
            first_seen_ms=self.now_ms if known is None or is_new else known.first_seen_ms,
            last_seen_ms=self.now_ms,
        )
        if known is not None and is_new:
            self.desk.alerts.end_alert(*_condition(known))
        if is_new:
            # Before it is written: an alert that is lost would be worse than one that comes twice.
            self.desk.alerts.raise_alert(_alert(difference))
        self.desk.differences.save(difference)
        self.known[wanted.name] = difference

    def _save(self, **changes: object) -> None:
        """Write the run down; when somebody else has begun one, this one has taken too long and counts no more."""
        following = self.run.next(**changes)
        if self.desk.runs.save(following):
            self.run = following


def _position(record: ProviderRecord) -> tuple[int, str]:
    return record.at_ms, record.name


def _condition(difference: Difference) -> tuple[str, str]:
    """Name the alert's kind and subject."""
    if difference.match is Match.MISSING_WEBHOOK:
        return WEBHOOK_FAILURE, difference.difference_id
    return PROVIDER_MISMATCH, f"{difference.provider}:{difference.match}:{difference.name}"


def _alert(difference: Difference) -> Alert:
    kind, subject = _condition(difference)
    facts = {
        "provider": difference.provider.value,
        "difference_id": difference.difference_id,
        "class": difference.match.value,
        "flow_id": difference.flow_id or "",
        "ours": difference.ours,
        "theirs": difference.theirs,
    }
    return Alert(kind, "high", facts, subject)


def _ours(flow: Flow | None) -> str:
    match flow:
        case Deposit():
            return f"{flow.expected} {flow.currency}"
        case Withdrawal():
            return _shown(flow.amount)
    return ""


def _shown(amount: Amount | None) -> str:
    return f"{amount.value:f} {amount.asset}" if amount else ""
