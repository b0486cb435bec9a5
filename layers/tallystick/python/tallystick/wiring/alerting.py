"""Build what keeps alerts, tells people of them, and watches the jobs of the clock."""

from functools import cache
from typing import TYPE_CHECKING

from tallystick.domain.alerts import Priority
from tallystick.services.alerting import KeptAlerts
from tallystick.services.jobs import Watch
from tallystick.wiring import now_ms, region, settings, tables

if TYPE_CHECKING:
    from tallystick.adapters.dynamo.alerts import DynamoAlerts
    from tallystick.adapters.dynamo.jobs import DynamoJobs


@cache
def kept_alerts() -> KeptAlerts:
    """Connect to the kept alerts and to the topics that reach people."""
    from tallystick.adapters.alerts import SnsAnnouncer

    arns = settings().require(*(f"alerts_topic_{priority.lower()}_arn" for priority in Priority))
    severities = {kind: setting.severity for kind, setting in settings().alerts.items() if setting.severity}
    announcer = SnsAnnouncer(dict(zip(Priority, arns, strict=True)), region())
    return KeptAlerts(store(), announcer, now_ms, severities)


@cache
def store() -> "DynamoAlerts":
    """Connect to the kept alerts."""
    from tallystick.adapters.dynamo.alerts import DynamoAlerts

    return DynamoAlerts(tables("operations_table"))


@cache
def jobs() -> "DynamoJobs":
    """Connect to what is known of the jobs."""
    from tallystick.adapters.dynamo.jobs import DynamoJobs

    tables("operations_table")
    return DynamoJobs()


@cache
def watch() -> Watch:
    """Connect what noting and watching jobs needs."""
    return Watch(jobs(), kept_alerts(), settings().jobs, now_ms)
