"""Bring messages, stream records and the clock's ticks to functions: at least once, late, in any order of the queue."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from tests.simulation.cloud import Cloud, Message, Queue
from tests.simulation.dynamo import Change
from tests.simulation.kernel import SECOND, Kernel
from tests.simulation.lambdas import Ended, Fleet

CONSUMERS: Final = {"webhooks": "webhook_processor", "payouts": "payout_worker", "reconciliation": "reconciler"}
BATCHES: Final = {"webhooks": 5, "payouts": 5, "reconciliation": 1}
STREAM_BATCH: Final = 10
SHARDS: Final = 2
PAUSE_US: Final = SECOND // 5
RETRY_US: Final = SECOND


@dataclass(slots=True)
class Weather:
    """Say how often what happens around calls: each seed has its own."""

    twice: float = 0.0
    late: float = 0.0
    again: float = 0.0


class Deliveries:
    """Poll the queues and streams for the functions."""

    def __init__(self, kernel: Kernel, cloud: Cloud, fleet: Fleet) -> None:
        """Listen to the queues."""
        self._kernel, self._cloud, self._fleet = kernel, cloud, fleet
        self.weather = Weather()
        self._readers = [
            Reader(kernel, cloud, fleet, self.weather, Tap("transfers", "tally", _is_new_transfer)),
            *(
                Reader(kernel, cloud, fleet, self.weather, Tap(table, "ledger_guard", _is_change_of_history))
                for table in ("entries", "transfers", "audit")
            ),
        ]
        for queue in cloud.queues.values():
            queue.told = partial(self._look_later, queue)

    def stand_still(self, function: str, seconds: float) -> None:
        """Let a function get no records of streams for a while."""
        for reader in self._readers:
            if reader.tap.function == function:
                reader.still_until_us = self._kernel.now_us + int(seconds * SECOND)

    def look_at_streams(self) -> None:
        """Say that a table may have changed."""
        for reader in self._readers:
            reader.look()

    @property
    def is_quiet(self) -> bool:
        """Tell whether nothing waits to be delivered."""
        return all(reader.is_quiet for reader in self._readers) and not any(
            queue.messages for queue in self._cloud.queues.values()
        )

    def _look_later(self, queue: Queue, delay_us: int) -> None:
        dice = self._kernel.dice
        if dice.random() < self.weather.late:
            self._fleet.accidents["message late"] += 1
            delay_us += dice.randrange(30 * SECOND)
        self._kernel.after(delay_us + dice.randrange(PAUSE_US), partial(self._look, queue))

    def _look(self, queue: Queue) -> None:
        batch = queue.receive(self._kernel.dice.randint(1, BATCHES[queue.name]))
        if not batch:
            return
        if any(message.visible_us <= self._kernel.now_us for message in queue.messages):
            self._look_later(queue, 0)
        self._kernel.spawn("poller", partial(self._consume, queue, batch))
        if self._kernel.dice.random() < self.weather.twice:
            self._fleet.accidents["message twice"] += 1
            self._kernel.spawn("poller", partial(self._consume, queue, batch), self._kernel.dice.randrange(SECOND))

    def _consume(self, queue: Queue, batch: list[Message]) -> None:
        event = {"Records": [_sqs_record(queue, message) for message in batch]}
        ended = self._fleet.wait_for(CONSUMERS[queue.name], event)
        if not ended.is_good:
            return
        failed = {failure["itemIdentifier"] for failure in ended.answer["batchItemFailures"]}
        for message in batch:
            if str(message.number) not in failed:
                queue.delete(message)


@dataclass(frozen=True, slots=True)
class Tap:
    """Say which records of a table's stream a function gets."""

    table: str
    function: str
    wanted: Callable[[Change], bool]


@dataclass(slots=True)
class Reader:
    """Hand a stream's records to a function, each shard in order; a batch that fails comes again."""

    kernel: Kernel
    cloud: Cloud
    fleet: Fleet
    weather: Weather
    tap: Tap
    still_until_us: int = 0
    _seen: int = 0
    _waiting: tuple[list[Change], ...] = field(default_factory=lambda: tuple([] for _ in range(SHARDS)))
    _busy: set[int] = field(default_factory=set)

    @property
    def is_quiet(self) -> bool:
        """Tell whether everything was handed over."""
        return not any(self._waiting)

    def look(self) -> None:
        """Take in what is new."""
        changes = self.cloud.dynamo.changes(self.tap.table)
        for change in changes[self._seen :]:
            if self.tap.wanted(change):
                shard = _shard(change)
                self._waiting[shard].append(change)
                self._read_later(shard, self.kernel.dice.randrange(5 * SECOND))
        self._seen = len(changes)

    def _read_later(self, shard: int, delay_us: int) -> None:
        if shard not in self._busy:
            self._busy.add(shard)
            self.kernel.spawn("stream", partial(self._read, shard), delay_us)

    def _read(self, shard: int) -> None:
        waiting, dice = self._waiting[shard], self.kernel.dice
        while waiting:
            self.kernel.sleep(max(0, self.still_until_us - self.kernel.now_us))
            batch = waiting[: dice.randint(1, STREAM_BATCH)]
            event = {"Records": [_stream_record(self.tap.table, change) for change in batch]}
            ended = self.fleet.wait_for(self.tap.function, event)
            done = _done(ended, batch)
            if done == len(batch) and dice.random() < self.weather.again:
                self.fleet.accidents["stream redelivered"] += 1
                done = dice.randrange(len(batch))
            del waiting[:done]
            if done < len(batch):
                self.kernel.sleep(RETRY_US)
        self._busy.discard(shard)


def _done(ended: Ended, batch: list[Change]) -> int:
    """Say how many of a batch's records are over."""
    if not ended.is_good:
        return 0
    failures = (ended.answer or {}).get("batchItemFailures", ())
    if not failures:
        return len(batch)
    numbers = [str(change.sequence) for change in batch]
    return min(numbers.index(failure["itemIdentifier"]) for failure in failures)


def _is_new_transfer(change: Change) -> bool:
    return change.event_name == "INSERT" and (change.new_image or {}).get("item") == {"S": "transfer"}


def _is_change_of_history(change: Change) -> bool:
    return change.event_name in {"MODIFY", "REMOVE"}


def _shard(change: Change) -> int:
    first: str = next(iter(change.key.values()))["S"]
    return sum(first.encode()) % SHARDS


def _sqs_record(queue: Queue, message: Message) -> dict[str, Any]:
    return {
        "messageId": str(message.number),
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.receives)},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:123456789012:{queue.name}",
        "awsRegion": "us-east-1",
    }


def _stream_record(table: str, change: Change) -> Mapping[str, Any]:
    images = {"NewImage": change.new_image, "OldImage": change.old_image}
    return {
        "eventID": f"{table}-{change.sequence}",
        "eventName": change.event_name,
        "eventSource": "aws:dynamodb",
        "eventSourceARN": f"arn:aws:dynamodb:us-east-1:123456789012:table/{table}/stream/2026",
        "dynamodb": {
            "Keys": change.key,
            "SequenceNumber": str(change.sequence),
            **{name: image for name, image in images.items() if image},
        },
    }
