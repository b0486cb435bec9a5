"""Keep what providers' books and ours disagree about, and how far they were compared."""

from functools import cache
from typing import Any, Final, get_args

from pydantic import TypeAdapter

from tallystick.adapters.dynamo.connection import is_applied, read_one, troubles
from tallystick.adapters.dynamo.tables import DifferenceItem, RunItem
from tallystick.domain.differences import Difference, Run
from tallystick.domain.payouts import Report
from tallystick.domain.provider_matching import Match
from tallystick.domain.provider_records import Direction, ProviderRecord, Told, Unusable, Wanted
from tallystick.domain.webhooks import Fact, Provider
from tallystick.services.ports.paging import Page

LISTED: Final = "difference"

MAX_OPEN: Final = 1000
"""Differences of all providers that one run looks at again, the oldest of them."""

_KINDS: Final[dict[str, type]] = {kind.__name__: kind for kind in (*get_args(Fact), Unusable, Report)}


@cache
def _shape(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(_KINDS[kind])


class DynamoDifferences:
    """Implement `tallystick.services.ports.provider_records.Differences` on the bound table."""

    def open(self, provider: Provider) -> list[Difference]:
        """Ask the index for keys, then read the items consistently."""
        with troubles():
            found = DifferenceItem.listed_index.query(LISTED, limit=MAX_OPEN)
            keys = [item.operation_key for item in found if item.operation_key.startswith(_key(f"{provider}:"))]
        return _stored(keys)

    def listed(self, limit: int, after: str | None, provider: Provider | None, match: Match | None) -> Page[Difference]:
        """Ask the index for keys, the oldest first, then read the items consistently."""
        listed_at_ms, _, key = (after or "").partition("#")
        start = {"listed": {"S": LISTED}, "listed_at_ms": {"N": listed_at_ms}, "operation_key": {"S": key}}
        with troubles():
            query = DifferenceItem.listed_index.query(
                LISTED, limit=limit + 1, page_size=limit + 1, last_evaluated_key=start if after else None
            )
            found = list(query)
        following = [f"{item.listed_at_ms}#{item.operation_key}" for item in found[limit - 1 : limit]]
        page = _stored([item.operation_key for item in found[:limit]])
        wanted = [one for one in page if provider in {None, one.provider} and match in {None, one.match}]
        return Page(wanted, following[0] if len(found) > limit else None)

    def get(self, difference_id: str) -> Difference | None:
        """Read one consistently."""
        item = read_one(DifferenceItem, _key(difference_id))
        return _difference(item) if item is not None and item.listed else None

    def save(self, difference: Difference) -> None:
        """Put it."""
        with troubles():
            _item(difference).save()

    def end(self, difference: Difference, now_ms: int) -> None:
        """Take it out of the index."""
        item = DifferenceItem(_key(difference.difference_id))
        with troubles():
            item.update(actions=[DifferenceItem.listed.remove(), DifferenceItem.ended_ms.set(now_ms)])


class DynamoRuns:
    """Implement `tallystick.services.ports.provider_records.Runs` on the bound table."""

    def get(self, provider: Provider) -> Run:
        """Read one consistently."""
        item = read_one(RunItem, _run_key(provider))
        if item is None:
            return Run(provider)
        return Run(
            provider=provider,
            reached_ms=item.reached_ms,
            busy_until_ms=item.busy_until_ms,
            started_ms=item.started_ms,
            ended_ms=item.ended_ms,
            since_ms=item.since_ms,
            until_ms=item.until_ms,
            pages=item.pages,
            counts=item.counts,
            failure=item.failure,
            version=item.version,
        )

    def save(self, run: Run) -> bool:
        """Write the next version if the last one is what stands there."""
        item = RunItem(
            _run_key(run.provider),
            reached_ms=run.reached_ms,
            busy_until_ms=run.busy_until_ms,
            started_ms=run.started_ms,
            ended_ms=run.ended_ms,
            since_ms=run.since_ms,
            until_ms=run.until_ms,
            pages=run.pages,
            counts=dict(run.counts),
            failure=run.failure,
            version=run.version,
        )
        is_new = RunItem.operation_key.does_not_exist()
        unchanged = is_new if run.version == 1 else RunItem.version == run.version - 1
        return is_applied(lambda: item.save(condition=unchanged))


def _key(difference_id: str) -> str:
    """Make `difference#<provider>#<name>` of `<provider>:<name>`."""
    return f"{LISTED}#{difference_id.replace(':', '#', 1)}"


def _run_key(provider: Provider) -> str:
    return f"reconciliation#{provider}"


def _item(difference: Difference) -> DifferenceItem:
    record, wanted = difference.record, difference.wanted
    item = DifferenceItem(
        _key(difference.difference_id),
        provider=difference.provider,
        direction=wanted.direction,
        record_id=wanted.record_id,
        references=list(wanted.references),
        match=difference.match,
        flow_id=difference.flow_id,
        flow_version=difference.flow_version,
        ours=difference.ours,
        theirs=difference.theirs,
        last_seen_ms=difference.last_seen_ms,
        listed=LISTED,
        listed_at_ms=difference.first_seen_ms,
    )
    if record is not None:
        item.told_kind = type(record.told).__name__
        item.told = _shape(item.told_kind).dump_json(record.told).decode()
        item.at_ms, item.given_back = record.at_ms, record.given_back
    return item


def _stored(keys: list[str]) -> list[Difference]:
    """Read those that are still listed consistently, in this order."""
    with troubles():
        items = DifferenceItem.batch_get(keys, consistent_read=True) if keys else ()
        stored = {item.operation_key: _difference(item) for item in items if item.listed}
    return [difference for difference in map(stored.get, keys) if difference]


def _difference(item: DifferenceItem) -> Difference:
    provider = Provider(item.provider)
    wanted = Wanted(Direction(item.direction), item.record_id, tuple(item.references))
    return Difference(
        provider=provider,
        wanted=wanted,
        match=Match(item.match),
        record=_record(item, provider, wanted),
        flow_id=item.flow_id,
        flow_version=item.flow_version,
        ours=item.ours,
        theirs=item.theirs,
        first_seen_ms=item.listed_at_ms,
        last_seen_ms=item.last_seen_ms,
    )


def _record(item: DifferenceItem, provider: Provider, wanted: Wanted) -> ProviderRecord | None:
    if item.told_kind is None:
        return None
    told: Told = _shape(item.told_kind).validate_json(item.told)
    return ProviderRecord(
        provider, wanted.record_id, wanted.references, told, item.at_ms or 0, given_back=bool(item.given_back)
    )
