from dataclasses import replace
from typing import Final

import pytest

from tallystick.adapters.dynamo.alerts import DynamoAlerts
from tallystick.adapters.dynamo.jobs import DynamoJobs
from tallystick.adapters.dynamo.tables import AlertItem
from tallystick.domain.alerts import AlertState, KeptAlert, Severity, ended, noticed, resolved, told
from tallystick.domain.audit import AuditRecord
from tallystick.domain.jobs import JobRecord
from tallystick.services.ports.alerts import AlertStore
from tallystick.services.ports.jobs import Jobs
from tests.contract.test_dynamo_calls import consistency, operations
from tests.support.fake_alerts import FakeAlertStore, FakeJobs
from tests.support.fake_store import FakeStore
from tests.support.scene import NOW_MS
from tests.support.tables import Tables

NEW: Final = KeptAlert("JOB_CRASH", "sweep", Severity.CRITICAL, {"job": "sweep", "é": "ü"}, NOW_MS, NOW_MS)
RECORD: Final = AuditRecord(NEW.alert_id, "alert-resolved", "root", NOW_MS, "203.0.113.7", {"notes": "n"})


@pytest.fixture(params=["fake", "dynamo"])
def store(request: pytest.FixtureRequest) -> AlertStore:
    if request.param == "fake":
        return FakeAlertStore(FakeStore())
    made: Tables = request.getfixturevalue("dynamo")
    return DynamoAlerts(made.connection)


@pytest.fixture(params=["fake", "dynamo"])
def jobs(request: pytest.FixtureRequest) -> Jobs:
    if request.param == "fake":
        return FakeJobs(FakeStore())
    request.getfixturevalue("dynamo")
    return DynamoJobs()


def kept(store: AlertStore, number: int, kind: str = "JOB_CRASH", *, is_told: bool = True) -> KeptAlert:
    """Keep an alert that was opened so many milliseconds after the first."""
    alert = KeptAlert(kind, f"job {number}", Severity.HIGH, {}, NOW_MS + number, NOW_MS + number)
    assert store.save(alert)
    if is_told:
        alert = told(alert)
        assert store.save(alert)
    return alert


def again(known: KeptAlert) -> KeptAlert:
    return noticed(
        known, kind=known.kind, subject=known.subject, severity=known.severity, facts={"again": "1"}, now_ms=NOW_MS + 9
    )


FORMS: Final = {
    "new": NEW,
    "told": replace(NEW, told=True),
    "seen again": replace(NEW, count=7, last_seen_at_ms=NOW_MS + 5),
    "closed": replace(NEW, state=AlertState.CLOSED, ended_at_ms=NOW_MS + 3),
    "resolved": replace(
        NEW, state=AlertState.RESOLVED, resolved_at_ms=NOW_MS + 2, resolved_by="root", notes="n", told=True
    ),
    "resolved and over": replace(
        NEW, state=AlertState.RESOLVED, resolved_at_ms=NOW_MS, resolved_by="root", notes="n", ended_at_ms=NOW_MS + 4
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_an_alert_is_stored_with_all_it_says(store: AlertStore, form: str) -> None:
    assert store.save(FORMS[form])
    assert store.latest(NEW.condition) == FORMS[form]
    assert store.find(NEW.alert_id) == FORMS[form]


def test_what_was_never_raised_is_not_there(store: AlertStore) -> None:
    assert store.latest(NEW.condition) is None
    for alert_id in (NEW.alert_id, "", "alr_x", "a" * 3000):
        assert store.find(alert_id) is None


@pytest.mark.parametrize("version", [-1, 0, 1, 3, 4])
def test_only_the_next_version_is_written(store: AlertStore, version: int) -> None:
    assert store.save(NEW)
    assert not store.save(replace(NEW, count=9, version=version))
    assert not store.save(replace(NEW, count=9, version=version), audit=RECORD)
    assert store.latest(NEW.condition) == NEW
    assert store.save(replace(NEW, count=9, version=2))


@pytest.mark.parametrize("version", [0, 2])
def test_the_first_version_is_one(store: AlertStore, version: int) -> None:
    assert not store.save(replace(NEW, version=version))
    assert store.latest(NEW.condition) is None


def test_of_two_changes_at_once_the_first_is_written(store: AlertStore) -> None:
    store.save(NEW)
    first, second = again(NEW), ended(NEW, NEW.opened_at_ms)
    assert (store.save(first), store.save(second)) == (True, False)
    assert store.latest(NEW.condition) == first


def test_every_occurrence_stays(store: AlertStore) -> None:
    before: KeptAlert | None = None
    occurrences = []
    for _ in range(3):
        standing = again(before) if before else NEW
        assert store.save(standing, before=before)
        before = ended(standing, NOW_MS + 3)
        assert store.save(before)
        occurrences.append(before)
    assert [alert.occurrence for alert in occurrences] == [1, 2, 3]
    for alert in occurrences:
        assert store.find(alert.alert_id) == alert
    assert store.find(replace(before or NEW, occurrence=4).alert_id) is None


def test_of_two_new_occurrences_at_once_the_first_is_written(store: AlertStore) -> None:
    over = ended(NEW, NOW_MS + 1)
    store.save(NEW)
    store.save(over)
    assert store.save(again(over), before=over)
    assert not store.save(again(over), before=over)
    assert store.latest(NEW.condition) == again(over)


def test_what_an_admin_does_is_written_with_its_audit_or_not_at_all(dynamo: Tables) -> None:
    store = DynamoAlerts(dynamo.connection)
    store.save(NEW)
    rested = resolved(NEW, by="root", notes="n", now_ms=NOW_MS)
    assert store.save(rested, audit=RECORD)
    assert not store.save(rested, audit=RECORD)
    assert dynamo.ports.audited() == [RECORD]


# Lists


def subjects(alerts: list[KeptAlert]) -> list[str]:
    return [alert.subject for alert in alerts]


def test_open_ones_are_listed_newest_first_in_pages(store: AlertStore) -> None:
    for number in (2, 0, 3, 1, 4):
        kept(store, number)
    pages, after = [], None
    while True:
        page = store.unresolved(None, 2, after)
        pages.append(subjects(page.items))
        after = page.next_key
        if after is None:
            break
    assert pages == [["job 4", "job 3"], ["job 2", "job 1"], ["job 0"]]


def test_what_people_could_not_be_told_of_comes_first(store: AlertStore) -> None:
    for number in range(4):
        kept(store, number, is_told=number % 2 == 0)
    first = store.unresolved(None, 3, None)
    assert subjects(first.items) == ["job 3", "job 1", "job 2"]
    rest = store.unresolved(None, 3, first.next_key)
    assert (subjects(rest.items), rest.next_key) == (["job 0"], None)
    assert subjects(store.unresolved(None, 1, store.unresolved(None, 1, None).next_key).items) == ["job 1"]


def test_what_is_over_or_resolved_is_not_listed_though_nobody_was_told_yet(store: AlertStore) -> None:
    alerts = [kept(store, number) for number in range(3)]
    store.save(ended(alerts[0], NOW_MS + 9))
    store.save(resolved(alerts[1], by="root", notes="n", now_ms=NOW_MS + 9))
    assert subjects(store.unresolved(None, 5, None).items) == ["job 2"]


def test_one_kind_can_be_listed_among_many_others(store: AlertStore) -> None:
    for number in range(130):
        kept(store, number, "RECEIVABLE" if number in {3, 7, 125} else "JOB_CRASH")
    first = store.unresolved("RECEIVABLE", 2, None)
    assert subjects(first.items) == ["job 125", "job 7"]
    rest = store.unresolved("RECEIVABLE", 2, first.next_key)
    assert (subjects(rest.items), rest.next_key) == (["job 3"], None)
    assert store.unresolved("WEBHOOK_FAILURE", 2, None).items == []


def test_what_was_left_untold_is_found_oldest_first_whatever_its_state(store: AlertStore) -> None:
    alerts = [kept(store, number, is_told=number != 1) for number in range(4)]
    store.save(ended(alerts[2], NOW_MS + 50))
    store.save(resolved(alerts[3], by="root", notes="n", now_ms=NOW_MS + 40))
    assert subjects(store.untold(NOW_MS + 60, 9)) == ["job 1", "job 3", "job 2"]
    assert subjects(store.untold(NOW_MS + 60, 2)) == ["job 1", "job 3"]
    assert subjects(store.untold(NOW_MS + 50, 9)) == ["job 1", "job 3"]
    assert store.untold(NOW_MS + 1, 9) == []


def test_what_is_told_leaves_the_lists_it_was_in(store: AlertStore) -> None:
    alert = kept(store, 0, is_told=False)
    store.save(told(alert))
    assert (store.untold(NOW_MS + 60, 9), subjects(store.unresolved(None, 5, None).items)) == ([], ["job 0"])
    over = ended(told(alert), NOW_MS + 5)
    store.save(over)
    store.save(told(over))
    assert (store.untold(NOW_MS + 60, 9), store.unresolved(None, 5, None).items) == ([], [])


def test_an_occurrence_that_was_followed_is_in_no_list(dynamo: Tables) -> None:
    store = DynamoAlerts(dynamo.connection)
    over = ended(NEW, NOW_MS + 1)
    for alert, before in ((NEW, None), (over, None), (again(over), over)):
        assert store.save(alert, before=before)
    listed = {item.operation_key: item.listed for item in AlertItem.scan()}
    assert listed == {f"alert#{NEW.condition}": "untold-alert", f"alert#{NEW.alert_id}": None}


def test_what_an_index_shows_too_late_is_read_as_it_is_now(dynamo: Tables) -> None:
    store = DynamoAlerts(dynamo.connection)
    alert = kept(store, 0)
    item = {
        "operation_key": {"S": f"alert#{alert.condition}"},
        "listed": {"S": "untold-alert"},
        "listed_at_ms": {"N": str(NOW_MS)},
    }
    with dynamo.finding("Query", [item]):
        assert store.untold(NOW_MS + 60, 9) == []
    store.save(ended(alert, NOW_MS + 5))
    with dynamo.finding("Query", [item]):
        assert store.unresolved(None, 5, None).items == []


# Calls


def test_what_is_raised_ended_and_comes_back_takes_so_many_calls(dynamo: Tables) -> None:
    store = DynamoAlerts(dynamo.connection)
    store.save(NEW)
    store.latest(NEW.condition)
    over = ended(NEW, NOW_MS + 1)
    store.save(over)
    store.save(again(over), before=over)
    assert operations(dynamo) == ["PutItem", "GetItem", "PutItem", "TransactWriteItems"]
    store.untold(NOW_MS + 60, 5)
    store.unresolved(None, 5, None)
    assert {consistency(call.operation, call.body) for call in dynamo.calls} - {None} == {
        "GetItem",
        "BatchGetItem",
        "Query of the index",
    }


# Jobs


def test_what_is_known_of_a_job_is_kept(jobs: Jobs) -> None:
    assert jobs.get("sweep") is None
    jobs.started("sweep", 60, NOW_MS)
    jobs.finished("sweep", NOW_MS + 1)
    jobs.started("sweep", 90, NOW_MS + 2)
    jobs.failed("sweep", "ValueError", NOW_MS + 3)
    jobs.watched("sweep", NOW_MS + 4)
    assert jobs.get("sweep") == JobRecord(
        "sweep",
        watched_since_ms=NOW_MS + 4,
        started_at_ms=NOW_MS + 2,
        finished_at_ms=NOW_MS + 1,
        failed_at_ms=NOW_MS + 3,
        error="ValueError",
        every_s=90,
    )
    jobs.started("sweep", None, NOW_MS + 5)
    found = jobs.get("sweep")
    assert found
    assert (found.every_s, found.started_at_ms) == (None, NOW_MS + 5)


def test_each_job_has_its_own(jobs: Jobs) -> None:
    jobs.finished("sweep", NOW_MS)
    assert jobs.get("poller") is None
    jobs.watched("poller", NOW_MS + 1)
    assert jobs.get("poller") == JobRecord("poller", watched_since_ms=NOW_MS + 1)
