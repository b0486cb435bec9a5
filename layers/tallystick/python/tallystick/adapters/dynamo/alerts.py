"""Keep alerts: the latest occurrence of a condition under its own key, those before it beside that."""

from collections.abc import Sequence
from typing import Final

from pynamodb.connection import Connection
from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from tallystick.adapters.dynamo.audit import put_record
from tallystick.adapters.dynamo.connection import is_applied, read_one, troubles
from tallystick.adapters.dynamo.tables import AlertItem
from tallystick.adapters.dynamo.transactions import is_written
from tallystick.domain.alerts import AlertState, KeptAlert, Severity, parse_alert_id
from tallystick.domain.audit import AuditRecord
from tallystick.services.ports.paging import Page

OPEN: Final = "alert"
UNTOLD: Final = "untold-alert"
"""Lists of the index. What nobody was told of is in the second one alone, whatever its state."""

_LISTS: Final = (UNTOLD, OPEN)
_PAGE: Final = 100
"""Items that one batch can read."""


class DynamoAlerts:
    """Implement `tallystick.services.ports.alerts.AlertStore` on the bound tables."""

    def __init__(self, connection: Connection) -> None:
        """Take the connection that the tables are bound to."""
        self._connection = connection

    def latest(self, condition: str) -> KeptAlert | None:
        """Read what stands under the condition's key."""
        item = read_one(AlertItem, _key(condition))
        return None if item is None else _alert(item)

    def find(self, alert_id: str) -> KeptAlert | None:
        """Read the latest occurrence, and the one that is meant if it is an earlier one."""
        parsed = parse_alert_id(alert_id)
        latest = self.latest(parsed[0]) if parsed else None
        if latest is None or latest.alert_id == alert_id:
            return latest
        item = read_one(AlertItem, _kept_key(alert_id))
        return None if item is None else _alert(item)

    def save(self, alert: KeptAlert, before: KeptAlert | None = None, audit: AuditRecord | None = None) -> bool:
        """Put the next version; together with what it replaces for good and the audit's record, if there are any."""
        item, is_next = _item(alert), _is_next(alert)
        if before is None and audit is None:
            return is_applied(lambda: item.save(condition=is_next))
        transaction = TransactWrite(connection=self._connection)
        transaction.save(item, condition=is_next)
        if before is not None:
            transaction.save(_kept_item(before), condition=AlertItem.operation_key.does_not_exist())
        if audit is not None:
            put_record(transaction, audit)
        return is_written(transaction)

    def unresolved(self, kind: str | None, limit: int, after: str | None) -> Page[KeptAlert]:
        """Go through both lists until there are enough; one that has just moved may be missing, or be there twice."""
        first, start = (after or "").partition("#")[::2]
        lists = _LISTS[_LISTS.index(first) :] if after else _LISTS
        found: list[tuple[str, KeptAlert]] = []
        for name in lists:
            position = start if name == first else None
            while len(found) <= limit:
                listed = _listed(name, position)
                alerts = [(f"{name}#{_position(item)}", stored) for item, stored in _stored(listed)]
                found += [one for one in alerts if one[1].state is AlertState.OPEN and kind in {None, one[1].kind}]
                if len(listed) < _PAGE:
                    break
                position = _position(listed[-1])
        following = found[limit - 1][0] if len(found) > limit else None
        return Page([alert for _, alert in found[:limit]], following)

    def untold(self, before_ms: int, limit: int) -> list[KeptAlert]:
        """Ask the index for keys, then read the alerts themselves consistently."""
        with troubles():
            query = AlertItem.listed_index.query(UNTOLD, AlertItem.listed_at_ms < before_ms, limit=limit)
            listed = list(query)
        return [alert for _, alert in _stored(listed) if not alert.told]


def _listed(name: str, position: str | None) -> list[AlertItem]:
    """Read the keys of a list behind a position, newest first."""
    listed_at_ms, _, key = (position or "").partition("#")
    start = {"listed": {"S": name}, "listed_at_ms": {"N": listed_at_ms}, "operation_key": {"S": _key(key)}}
    with troubles():
        query = AlertItem.listed_index.query(
            name,
            scan_index_forward=False,
            limit=_PAGE,
            page_size=_PAGE,
            last_evaluated_key=start if position else None,
        )
        return list(query)


def _stored(listed: Sequence[AlertItem]) -> list[tuple[AlertItem, KeptAlert]]:
    """Read what an index has shown, each beside its place in it."""
    with troubles():
        keys = [item.operation_key for item in listed]
        items = AlertItem.batch_get(keys, consistent_read=True) if keys else ()
        stored = {item.operation_key: _alert(item) for item in items}
    return [(item, stored[item.operation_key]) for item in listed]


def _position(item: AlertItem) -> str:
    return f"{item.listed_at_ms}#{item.operation_key.removeprefix(_key(''))}"


def _key(condition: str) -> str:
    return f"alert#{condition}"


def _kept_key(alert_id: str) -> str:
    return f"alert#{alert_id}"


def _is_next(alert: KeptAlert) -> Condition:
    return AlertItem.operation_key.does_not_exist() if alert.version == 1 else AlertItem.version == alert.version - 1


def _item(alert: KeptAlert) -> AlertItem:
    item = _unlisted(_key(alert.condition), alert)
    if not alert.told:
        item.listed, item.listed_at_ms = UNTOLD, alert.changed_at_ms
    elif alert.state is AlertState.OPEN:
        item.listed, item.listed_at_ms = OPEN, alert.opened_at_ms
    return item


def _kept_item(alert: KeptAlert) -> AlertItem:
    return _unlisted(_kept_key(alert.alert_id), alert)


def _unlisted(key: str, alert: KeptAlert) -> AlertItem:
    return AlertItem(
        key,
        kind=alert.kind,
        subject=alert.subject,
        severity=alert.severity,
        facts=dict(alert.facts),
        opened_at_ms=alert.opened_at_ms,
        last_seen_at_ms=alert.last_seen_at_ms,
        occurrence=alert.occurrence,
        times_seen=alert.count,
        state=alert.state,
        ended_at_ms=alert.ended_at_ms,
        resolved_at_ms=alert.resolved_at_ms,
        resolved_by=alert.resolved_by,
        notes=alert.notes,
        told=alert.told,
        version=alert.version,
    )


def _alert(item: AlertItem) -> KeptAlert:
    return KeptAlert(
        kind=item.kind,
        subject=item.subject,
        severity=Severity(item.severity),
        facts=item.facts,
        opened_at_ms=item.opened_at_ms,
        last_seen_at_ms=item.last_seen_at_ms,
        occurrence=item.occurrence,
        count=item.times_seen,
        state=AlertState(item.state),
        ended_at_ms=item.ended_at_ms,
        resolved_at_ms=item.resolved_at_ms,
        resolved_by=item.resolved_by,
        notes=item.notes,
        told=item.told,
        version=item.version,
    )
