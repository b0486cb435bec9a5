"""Keep alerts and what is known of jobs in memory, under the same conditions as DynamoDB's, and tell nobody."""

from dataclasses import dataclass, field, replace

from tallystick.domain.alerts import AlertState, KeptAlert, parse_alert_id
from tallystick.domain.audit import AuditRecord
from tallystick.domain.jobs import JobRecord
from tallystick.services.ports.paging import Page
from tests.support.fake_store import FakeStore
from tests.support.fake_webhooks import call


@dataclass
class FakeAlertStore:
    """Implement the port AlertStore."""

    backing: FakeStore
    items: dict[str, KeptAlert] = field(default_factory=dict)
    kept: dict[str, KeptAlert] = field(default_factory=dict)

    def latest(self, condition: str) -> KeptAlert | None:
        """Read the latest occurrence."""
        with call(self.backing, "kept.latest"):
            return self.items.get(condition)

    def find(self, alert_id: str) -> KeptAlert | None:
        """Read an occurrence."""
        with call(self.backing, "kept.find"):
            parsed = parse_alert_id(alert_id)
            latest = self.items.get(parsed[0]) if parsed else None
            return latest if latest is None or latest.alert_id == alert_id else self.kept.get(alert_id)

    def save(self, alert: KeptAlert, before: KeptAlert | None = None, audit: AuditRecord | None = None) -> bool:
        """Write the next version, what it follows and the audit's record, or nothing."""
        with call(self.backing, "kept.save"):
            stored = self.items.get(alert.condition)
            if (stored.version if stored else 0) != alert.version - 1:
                return False
            if before is not None:
                assert before.alert_id not in self.kept
                self.kept[before.alert_id] = before
            self.items[alert.condition] = alert
            self.backing.audited += [audit] if audit else []
            return True

    def unresolved(self, kind: str | None, limit: int, after: str | None) -> Page[KeptAlert]:
        """List open ones: untold ones first, then newest first."""
        with call(self.backing, "kept.unresolved"):
            fits = [one for one in self.items.values() if one.state is AlertState.OPEN and kind in {None, one.kind}]
            listed = sorted(fits, key=_place, reverse=True)
            rest = [one for one in listed if after is None or _place(one) < _read(after)]
            return Page(rest[:limit], _written(rest[limit - 1]) if len(rest) > limit else None)

    def untold(self, before_ms: int, limit: int) -> list[KeptAlert]:
        """List what nobody was told of."""
        with call(self.backing, "kept.untold"):
            left = [one for one in self.items.values() if not one.told and one.changed_at_ms < before_ms]
            return sorted(left, key=lambda one: one.changed_at_ms)[:limit]


def _place(alert: KeptAlert) -> tuple[bool, int, str]:
    return not alert.told, alert.opened_at_ms, alert.condition


def _written(alert: KeptAlert) -> str:
    name = "alert" if alert.told else "untold-alert"
    return f"{name}#{alert.opened_at_ms}#{alert.condition}"


def _read(position: str) -> tuple[bool, int, str]:
    name, opened_at_ms, condition = position.split("#")
    return name != "alert", int(opened_at_ms), condition


@dataclass
class FakeAnnouncer:
    """Implement the port Announcer; `heard` lists what people were told."""

    backing: FakeStore
    heard: list[KeptAlert] = field(default_factory=list)

    def announce(self, alert: KeptAlert) -> None:
        """Tell people."""
        with call(self.backing, "announce"):
            self.heard.append(alert)

    @property
    def told(self) -> list[tuple[AlertState, int]]:
        """Say how conditions stood, and at which occurrence."""
        return [(alert.state, alert.occurrence) for alert in self.heard]


@dataclass
class FakeJobs:
    """Implement the port Jobs."""

    backing: FakeStore
    records: dict[str, JobRecord] = field(default_factory=dict)

    def get(self, name: str) -> JobRecord | None:
        """Read what is known of a job."""
        with call(self.backing, "jobs.get"):
            return self.records.get(name)

    def watched(self, name: str, now_ms: int) -> None:
        """Note since when it is watched."""
        with call(self.backing, "jobs.watched"):
            self.records[name] = replace(self._known(name), watched_since_ms=now_ms)

    def started(self, name: str, every_s: int | None, now_ms: int) -> None:
        """Note that a run begins."""
        with call(self.backing, "jobs.started"):
            self.records[name] = replace(self._known(name), started_at_ms=now_ms, every_s=every_s)

    def finished(self, name: str, now_ms: int) -> None:
        """Note that a run has ended well."""
        with call(self.backing, "jobs.finished"):
            self.records[name] = replace(self._known(name), finished_at_ms=now_ms)

    def failed(self, name: str, error: str, now_ms: int) -> None:
        """Note that a run has ended badly."""
        with call(self.backing, "jobs.failed"):
            self.records[name] = replace(self._known(name), failed_at_ms=now_ms, error=error)

    def _known(self, name: str) -> JobRecord:
        return self.records.get(name) or JobRecord(name)
