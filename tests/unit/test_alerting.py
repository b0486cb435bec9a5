from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from tallystick.domain.alerts import AlertState, KeptAlert, Severity, condition_of
from tallystick.domain.errors import Forbidden, IllegalTransition, NotFound, StoreUnavailable, TooMuchContention
from tallystick.services.admin import Admin
from tallystick.services.alerting import MAX_ATTEMPTS, UNTOLD_MS, KeptAlerts, get, list_unresolved, resolve, tell_untold
from tallystick.services.ports.alerts import Alert
from tests.support.fake_alerts import FakeAlertStore, FakeAnnouncer
from tests.support.fake_store import FakeStore
from tests.support.scene import ADA, ADMIN, NOW_MS, SERVICE

CRASH: Final = Alert("JOB_CRASH", "critical", {"job": "sweep"}, "sweep")
OTHER: Final = Alert("JOB_CRASH", "critical", {"job": "poller"}, "poller")
OPEN, RESOLVED, CLOSED = AlertState.OPEN, AlertState.RESOLVED, AlertState.CLOSED


class Killed(BaseException):
    """End a Lambda at this very point."""


class Bureau:
    """Raise, end and resolve alerts, each time as a Lambda of its own."""

    def __init__(self) -> None:
        self.backing = FakeStore()
        self.store = FakeAlertStore(self.backing)
        self.announcer = FakeAnnouncer(self.backing)
        self.now_ms = NOW_MS
        self.severities: dict[str, Severity] = {}

    @property
    def alerts(self) -> KeptAlerts:
        return KeptAlerts(self.store, self.announcer, lambda: self.now_ms, self.severities)

    def raised(self, alert: Alert = CRASH) -> KeptAlert:
        self.alerts.raise_alert(alert)
        return self.standing(alert)

    def ended(self, alert: Alert = CRASH) -> KeptAlert:
        self.alerts.end_alert(alert.kind, alert.subject)
        return self.standing(alert)

    def resolved(self, alert: Alert = CRASH, notes: str = "known") -> KeptAlert:
        admin = Admin(ADMIN, "203.0.113.7", self.now_ms)
        return resolve(alerts=self.alerts, admin=admin, alert_id=self.standing(alert).alert_id, notes=notes)

    def standing(self, alert: Alert = CRASH) -> KeptAlert:
        return self.store.items[condition_of(alert.kind, alert.subject)]

    def watched(self) -> int:
        """Let the watchdog run when its time has come."""
        self.now_ms += UNTOLD_MS + 1
        return tell_untold(alerts=self.alerts)


@pytest.fixture
def bureau() -> Bureau:
    return Bureau()


# Raising


def test_what_is_new_is_stored_then_told_and_that_is_noted(bureau: Bureau) -> None:
    kept = bureau.raised()
    assert bureau.backing.calls == ["kept.latest", "kept.save", "announce", "kept.save"]
    (heard,) = bureau.announcer.heard
    assert (heard.state, heard.told, heard.facts) == (OPEN, False, {"job": "sweep"})
    assert kept == replace(heard, told=True, version=2)


def test_what_lasts_is_noted_and_nobody_is_told_again(bureau: Bureau) -> None:
    bureau.raised()
    bureau.backing.calls.clear()
    bureau.now_ms += 5
    kept = bureau.raised(replace(CRASH, facts={"job": "sweep", "error": "ValueError"}))
    assert bureau.backing.calls == ["kept.latest", "kept.save"]
    assert (kept.count, kept.last_seen_at_ms, kept.opened_at_ms) == (2, NOW_MS + 5, NOW_MS)
    assert kept.facts["error"] == "ValueError"
    assert len(bureau.announcer.heard) == 1


def test_another_subject_is_another_condition(bureau: Bureau) -> None:
    bureau.raised()
    bureau.raised(OTHER)
    assert [alert.subject for alert in bureau.announcer.heard] == ["sweep", "poller"]


def test_a_stage_says_how_bad_a_kind_is(bureau: Bureau) -> None:
    bureau.severities = {"JOB_CRASH": Severity.LOW}
    assert bureau.raised().severity is Severity.LOW
    assert bureau.raised(replace(CRASH, kind="RECEIVABLE")).severity is Severity.CRITICAL


def test_who_cannot_tell_anybody_says_so_and_the_next_one_tells(bureau: Bureau) -> None:
    bureau.backing.before = lambda call: silence() if call == "announce" else None
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            bureau.raised()
    assert bureau.standing().told is False
    bureau.backing.before = lambda _call: None
    assert (bureau.raised().told, len(bureau.announcer.heard)) == (True, 1)


# Ending


def test_an_end_of_what_nobody_was_told_of_is_one_read(bureau: Bureau) -> None:
    bureau.alerts.end_alert("JOB_CRASH", "sweep")
    assert (bureau.backing.calls, bureau.store.items) == (["kept.latest"], {})


def test_what_is_over_is_told_once(bureau: Bureau) -> None:
    bureau.raised()
    bureau.now_ms += 9
    for _ in range(2):
        kept = bureau.ended()
    assert (kept.state, kept.ended_at_ms, kept.told) == (CLOSED, NOW_MS + 9, True)
    assert bureau.announcer.told == [(OPEN, 1), (CLOSED, 1)]


def test_what_comes_back_is_told_anew_and_what_was_before_is_kept(bureau: Bureau) -> None:
    first = bureau.raised()
    over = bureau.ended()
    second = bureau.raised()
    assert bureau.announcer.told == [(OPEN, 1), (CLOSED, 1), (OPEN, 2)]
    assert bureau.store.kept == {first.alert_id: over}
    for alert_id, state in ((first.alert_id, CLOSED), (second.alert_id, OPEN)):
        assert get(store=bureau.store, caller=ADMIN, alert_id=alert_id).state is state


# Leaving it to rest


def test_what_was_resolved_is_told_so_and_stays_silent_until_it_has_ended(bureau: Bureau) -> None:
    bureau.raised()
    bureau.now_ms += 3
    rested = bureau.resolved(notes="a deployment")
    assert (rested.state, rested.resolved_by, rested.notes, rested.resolved_at_ms, rested.told) == (
        RESOLVED,
        "root",
        "a deployment",
        NOW_MS + 3,
        True,
    )
    assert bureau.raised().count == 2
    assert bureau.announcer.told == [(OPEN, 1), (RESOLVED, 1)]
    over = bureau.ended()
    assert (over.state, over.is_over) == (RESOLVED, True)
    assert bureau.announcer.told == [(OPEN, 1), (RESOLVED, 1)]
    assert bureau.raised().occurrence == 2
    assert bureau.announcer.told == [(OPEN, 1), (RESOLVED, 1), (OPEN, 2)]


def test_the_audit_says_who_resolved_what_and_why(bureau: Bureau) -> None:
    kept = bureau.raised()
    bureau.resolved()
    bureau.resolved(notes="again")
    (record,) = bureau.backing.audited
    assert (record.subject, record.action, record.actor_id, record.source_ip) == (
        kept.alert_id,
        "alert-resolved",
        "root",
        "203.0.113.7",
    )
    assert record.details == {"kind": "JOB_CRASH", "about": "sweep", "notes": "known"}
    assert bureau.standing().notes == "known"


def test_what_ended_by_itself_cannot_be_resolved(bureau: Bureau) -> None:
    bureau.raised()
    bureau.ended()
    with pytest.raises(IllegalTransition) as refused:
        bureau.resolved()
    assert refused.value.members == {"state": "CLOSED"}
    assert bureau.backing.audited == []


def test_an_earlier_occurrence_is_not_taken_for_the_latest(bureau: Bureau) -> None:
    first = bureau.raised()
    bureau.resolved()
    bureau.ended()
    bureau.raised()
    admin = Admin(ADMIN, "203.0.113.7", bureau.now_ms)
    shown = resolve(alerts=bureau.alerts, admin=admin, alert_id=first.alert_id, notes="n")
    assert (shown.state, shown.notes, bureau.standing().state) == (RESOLVED, "known", OPEN)


def test_resolving_that_meets_a_change_is_done_after_it(bureau: Bureau) -> None:
    bureau.raised()
    left = ["kept.save"]

    def rival(call: str) -> None:
        if call in left:
            left.remove(call)
            bureau.raised()

    bureau.backing.before = rival
    assert (bureau.resolved().state, bureau.standing().count) == (RESOLVED, 2)


def test_what_changes_each_time_is_refused(bureau: Bureau) -> None:
    bureau.raised()

    def rival(call: str) -> None:
        if call == "kept.save":
            standing = bureau.standing()
            bureau.store.items[standing.condition] = replace(standing, version=standing.version + 1)

    bureau.backing.before = rival
    for change in (bureau.raised, bureau.ended, bureau.resolved):
        bureau.backing.calls.clear()
        with pytest.raises(TooMuchContention):
            change()
        assert bureau.backing.calls.count("kept.save") == MAX_ATTEMPTS


CALLS: Final[dict[str, Callable[[Bureau, Admin, str], object]]] = {
    "list": lambda bureau, admin, _: list_unresolved(
        store=bureau.store, caller=admin.caller, kind=None, limit=5, after=None
    ),
    "get": lambda bureau, admin, alert_id: get(store=bureau.store, caller=admin.caller, alert_id=alert_id),
    "resolve": lambda bureau, admin, alert_id: resolve(alerts=bureau.alerts, admin=admin, alert_id=alert_id, notes="n"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("caller", [ADA, SERVICE])
def test_alerts_are_for_admins(bureau: Bureau, call: str, caller: object) -> None:
    known = bureau.raised()
    admin = Admin(caller, "203.0.113.7", NOW_MS)  # type: ignore[arg-type] # a Caller
    for alert_id in (known.alert_id, "alr_nowhere"):
        with pytest.raises(Forbidden):
            CALLS[call](bureau, admin, alert_id)


@pytest.mark.parametrize("call", ["get", "resolve"])
@pytest.mark.parametrize("alert_id", ["", "alr_nowhere", f"alr_{'0' * 32}_1", "{condition}_2"])
def test_what_is_not_there_is_not_found(bureau: Bureau, call: str, alert_id: str) -> None:
    known = bureau.raised()
    named = alert_id.format(condition=f"alr_{known.condition}")
    with pytest.raises(NotFound):
        CALLS[call](bureau, Admin(ADMIN, "203.0.113.7", NOW_MS), named)


def test_open_ones_are_listed(bureau: Bureau) -> None:
    bureau.raised()
    bureau.now_ms += 1
    bureau.raised(OTHER)
    page = list_unresolved(store=bureau.store, caller=ADMIN, kind=None, limit=1, after=None)
    assert [alert.subject for alert in page.items] == ["poller"]
    rest = list_unresolved(store=bureau.store, caller=ADMIN, kind="JOB_CRASH", limit=5, after=page.next_key)
    assert [alert.subject for alert in rest.items] == ["sweep"]


# Accidents

PLAN: Final[dict[str, Callable[[Bureau], object]]] = {
    "raise": lambda bureau: bureau.raised(),
    "raise again": lambda bureau: bureau.raised(),
    "end": lambda bureau: bureau.ended(),
    "come back": lambda bureau: bureau.raised(),
    "resolve": lambda bureau: bureau.resolved(),
    "end silently": lambda bureau: bureau.ended(),
    "come back again": lambda bureau: bureau.raised(),
}


@pytest.mark.parametrize("killed_in", PLAN)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("is_repeated", [False, True])
def test_an_accident_at_any_call_leaves_nobody_unaware(killed_in: str, moment: str, *, is_repeated: bool) -> None:
    for number in range(10):
        bureau = Bureau()
        seen = [0]

        def kill(_call: str, seen: list[int] = seen, number: int = number) -> None:
            seen[0] += 1
            if seen[0] == number + 1:
                raise Killed

        was_killed = False
        for name, act in PLAN.items():
            setattr(bureau.backing, moment, kill if name == killed_in else lambda _call: None)
            try:
                act(bureau)
            except Killed:
                was_killed = True
                setattr(bureau.backing, moment, lambda _call: None)
                if is_repeated or name == "raise":
                    act(bureau)
                else:
                    assert bureau.watched() <= 1
                    act(bureau)
        setattr(bureau.backing, moment, lambda _call: None)
        assert bureau.watched() == 0
        assert bureau.standing().told
        told = bureau.announcer.told
        wanted = [(OPEN, 1), (CLOSED, 1), (OPEN, 2), (RESOLVED, 2), (OPEN, 3)]
        assert list(dict.fromkeys(told)) == wanted
        assert len(told) <= len(wanted) + was_killed
        if not was_killed:
            return
    raise AssertionError("the calls never end")


@pytest.mark.parametrize("state", [OPEN, CLOSED, RESOLVED])
def test_the_watchdog_tells_what_was_left_but_not_what_is_being_told(bureau: Bureau, state: AlertState) -> None:
    bureau.raised()
    kept = replace(bureau.standing(), state=state, told=False, version=7)
    bureau.store.items[kept.condition] = kept
    bureau.now_ms += UNTOLD_MS
    assert tell_untold(alerts=bureau.alerts) == 0
    bureau.now_ms += 1
    assert tell_untold(alerts=bureau.alerts) == 1
    assert bureau.announcer.heard[-1] == kept
    assert bureau.standing().told
    assert tell_untold(alerts=bureau.alerts) == 0


@pytest.mark.parametrize("at", ["kept.latest", "kept.save", "announce"])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("known", [False, True])
def test_two_that_notice_it_at_once_make_one_occurrence_and_people_know(at: str, moment: str, *, known: bool) -> None:
    bureau = Bureau()
    if known:
        bureau.raised()
        bureau.ended()
    for number in range(2):
        left = [at] * (number + 1)

        def rival(call: str, bureau: Bureau = bureau, left: list[str] = left) -> None:
            if call in left:
                left.remove(call)
                if not left:
                    bureau.raised()

        setattr(bureau.backing, moment, rival)
        bureau.raised()
        setattr(bureau.backing, moment, lambda _call: None)
        kept = bureau.standing()
        assert (kept.occurrence, kept.state) == (1 + known, OPEN)
        assert bureau.announcer.told[-1] == (OPEN, 1 + known)
        assert kept.told or bureau.watched() == 1
    assert bureau.standing().count >= 3


def test_what_somebody_else_has_just_told_is_read_anew(bureau: Bureau) -> None:
    bureau.backing.before = lambda call: silence() if call == "announce" else None
    with pytest.raises(StoreUnavailable):
        bureau.raised()
    left = ["announce"]

    def rival(call: str) -> None:
        if call in left:
            left.remove(call)
            bureau.raised()

    bureau.backing.before = rival
    kept = bureau.raised()
    assert (kept.count, kept.occurrence, kept.told) == (3, 1, True)
    assert bureau.announcer.told == [(OPEN, 1)] * 2


def silence() -> None:
    raise StoreUnavailable("no topic")


def test_an_occurrence_that_nobody_was_told_of_is_told_before_it_is_followed(bureau: Bureau) -> None:
    for act in (bureau.raised, bureau.ended):
        bureau.backing.before = lambda call: silence() if call == "announce" else None
        with pytest.raises(StoreUnavailable):
            act()
    bureau.backing.before = lambda _call: None
    bureau.ended()
    assert bureau.raised().occurrence == 2
    assert bureau.announcer.told == [(OPEN, 1), (CLOSED, 1), (OPEN, 2)]
