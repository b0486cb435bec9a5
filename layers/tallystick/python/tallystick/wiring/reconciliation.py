"""Build what reconciling wallets needs."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from tallystick.adapters.clock import pause
from tallystick.domain.runs import Mode
from tallystick.services.covering import Cover
from tallystick.services.examining import Desk
from tallystick.services.reconciling import Bureau, Rhythm
from tallystick.wiring import alerts, region, settings, tables
from tallystick.wiring.tallies import tallies

if TYPE_CHECKING:
    from tallystick.adapters.queue import SqsQueue
    from tallystick.services.ports.runs import Runs


@cache
def bureau() -> Bureau:
    """Connect what runs need."""
    chosen = settings().reconciliation
    rhythm = Rhythm(
        segments=chosen.segments,
        margin_ms=chosen.margin_s * 1000,
        full_every_ms=chosen.full_every_s * 1000,
        full_pause_ms=chosen.full_pause_s * 1000,
        look_again_ms=chosen.look_again_s * 1000,
    )
    return Bureau(cover(), runs(), queue(), rhythm)


@cache
def cover() -> Cover:
    """Connect what going through accounts and transfers needs."""
    from tallystick.adapters.dynamo.flows import DynamoFlows
    from tallystick.adapters.dynamo.runs import DynamoSuspects

    flows = DynamoFlows(tables("flows_table", "operations_table"))
    return Cover(desk(), flows, tallies(), DynamoSuspects(), alerts(), settings().reconciliation.page_size)


@cache
def desk() -> Desk:
    """Connect what examining an account needs."""
    from tallystick.adapters.dynamo.checkpoints import DynamoCheckpoints
    from tallystick.adapters.dynamo.journal import DynamoJournal

    connection = tables("accounts_table", "entries_table", "transfers_table", "flows_table", "audit_table")
    quick, exact = (DynamoJournal(connection, consistent=consistent) for consistent in (False, True))
    return Desk(quick, exact, DynamoCheckpoints(connection), pause)


@cache
def runs() -> "Runs":
    """Connect to the runs."""
    from tallystick.adapters.dynamo.runs import DynamoRuns

    return DynamoRuns(tables("audit_table", "operations_table"))


def every_ms() -> Mapping[Mode, int]:
    """Say how often runs are due."""
    chosen = settings().reconciliation
    return {Mode.CHANGED: chosen.every_s * 1000, Mode.FULL: chosen.full_every_s * 1000}


@cache
def queue() -> "SqsQueue":
    """Connect to the queue of segments."""
    from tallystick.adapters.queue import SqsQueue

    (queue_url,) = settings().require("reconciliation_queue_url")
    return SqsQueue(queue_url, region())
