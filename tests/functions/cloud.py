"""The queues, secrets and topic of the small world, on moto; and what Lambda does with the queues."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

import boto3
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from moto.backends import get_backend
from moto.core.models import DEFAULT_ACCOUNT_ID

from tallystick import wiring
from tallystick.wiring import alerting, provider_reconciliation, reconciliation, tallies, webhooks, withdrawals
from tests.functions import providers
from tests.functions.world import Clock, handler_of
from tests.support.moto import REGION

VISIBILITY_S: Final = 360
BATCH_SIZE: Final = 5

Operation = Callable[[str], None]
"""Is told the name of a call to AWS, such as `TransactWriteItems`; what it raises happens instead of it."""


CONSUMERS: Final = {
    providers.QUEUE: "webhook_processor",
    providers.PAYOUT_QUEUE: "payout_worker",
    providers.RECONCILIATION_QUEUE: "reconciler",
}
"""The queues, and the functions that work on them."""

_RECONCILING: Final = (reconciliation.bureau, reconciliation.cover, reconciliation.queue)

_SPEAKING: Final = (
    *(webhooks.gateway, webhooks.counter, webhooks.payer, withdrawals.window, withdrawals.payout_office),
    *(provider_reconciliation.records, provider_reconciliation.desk, provider_reconciliation.fetching),
)
"""What speaks with providers."""

_changed_secrets: Final[set[str]] = set()


class Killed(BaseException):
    """End a Lambda at this very point."""


def create() -> None:
    """Make the queues, the secrets and the topic."""
    sqs = boto3.client("sqs", region_name=REGION)
    for queue in CONSUMERS:
        sqs.create_queue(QueueName=queue, Attributes={"VisibilityTimeout": str(VISIBILITY_S)})
    secrets = boto3.client("secretsmanager", region_name=REGION)
    for name, value in _secrets().items():
        secrets.create_secret(Name=name, SecretString=json.dumps(value))
    for arn in providers.TOPIC_ARNS.values():
        boto3.client("sns", region_name=REGION).create_topic(Name=arn.rpartition(":")[2])


def reset() -> None:
    """Empty the queues, forget the alerts, and write the secrets as they were."""
    for queue in CONSUMERS:
        reset_queue(queue)
    for topic in _topics():
        topic.sent_notifications.clear()
    for name in _changed_secrets.copy():
        write_secret(name, _secrets()[name])
        _changed_secrets.remove(name)


def reset_queue(queue: str) -> None:
    """Empty a queue."""
    _queue(queue)._messages.clear()  # noqa: SLF001 (purging one is refused for a minute)


def forget_settings() -> None:
    """Start other Lambdas: the environment is read anew, and the keys too."""
    cached = (webhooks.gate, *_SPEAKING, webhooks.office, webhooks.stellar_poll, withdrawals.rules)
    secret = (webhooks._webhook_keys, webhooks._provider_keys)  # noqa: SLF001
    watching = (alerting.kept_alerts, alerting.watch, tallies.office, tallies.spike_watch)
    for built in (wiring.settings, *cached, *watching, *_RECONCILING, *secret):
        built.cache_clear()


def forget_tokens() -> None:
    """Forget what a provider's API has given to us, when the sandbox has forgotten it too."""
    for built in _SPEAKING:
        built.cache_clear()


def forget_ledger() -> None:
    """Start other Lambdas: what they remember of accounts is gone."""
    for built in (wiring.ledger, webhooks.books, webhooks.office, withdrawals.window, withdrawals.payout_office):
        built.cache_clear()


def write_secret(name: str, value: object) -> None:
    """Write a secret anew."""
    write_text(name, json.dumps(value))


def write_text(name: str, text: str) -> None:
    """Write a secret anew that may be no JSON."""
    boto3.client("secretsmanager", region_name=REGION).put_secret_value(SecretId=name, SecretString=text)
    _changed_secrets.add(name)


def queued(queue: str = providers.QUEUE) -> list[str]:
    """Give the bodies of all messages, those too that are hidden."""
    return [one.body for one in _queue(queue)._messages]  # noqa: SLF001


def rows(table: str) -> list[dict[str, dict[str, Any]]]:
    """Give all items of a table as DynamoDB stores them, without the many calls that reading them takes."""
    tables = get_backend("dynamodb")[DEFAULT_ACCOUNT_ID][REGION].tables
    return [item.to_json()["Attributes"] for item in tables[table].all_items()]


def told() -> list[dict[str, Any]]:
    """Give what people were told, the most urgent first."""
    return [json.loads(told) for topic in _topics() for _, told, *_ in topic.sent_notifications]


def alerts() -> list[dict[str, str]]:
    """Give what was raised, with its facts beside its kind and severity."""
    raised = [one for one in told() if one["event"] == "raised"]
    return [{**one["facts"], "kind": one["kind"], "severity": one["severity"]} for one in raised]


def message(body: str, number: int = 1) -> dict[str, Any]:
    """Make a record of a batch as Lambda gets it."""
    return {
        "messageId": f"{number:08d}-0000-4000-8000-000000000000",
        "receiptHandle": f"receipt-{number}",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{DEFAULT_ACCOUNT_ID}:{providers.QUEUE}",
        "awsRegion": REGION,
    }


def process(*records: dict[str, Any], function: str = "webhook_processor") -> list[str]:
    """Hand a batch to the processor; give the ids of the messages that stay in the queue."""
    answered = handler_of(function)({"Records": list(records)}, LambdaContext())
    return [failure["itemIdentifier"] for failure in answered["batchItemFailures"]]


def pay(*flow_ids: str) -> list[str]:
    """Hand a batch to the worker; give the ids of the withdrawals whose messages stay in the queue."""
    records = {message(flow_id, number)["messageId"]: flow_id for number, flow_id in enumerate(flow_ids)}
    batch = [message(flow_id, number) for number, flow_id in enumerate(flow_ids)]
    return [records[message_id] for message_id in process(*batch, function="payout_worker")]


def sweep(function: str = "webhook_sweep") -> None:
    """Let a minute's sweep happen."""
    handler_of(function)({}, LambdaContext())


def consume(queue: str = providers.QUEUE) -> int:
    """Take a batch out of a queue as Lambda does, delete what is finished, and say how many messages there were."""
    sqs, url = boto3.client("sqs", region_name=REGION), _url(queue)
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=BATCH_SIZE).get("Messages", [])
    records = [
        {**message(one["Body"]), "messageId": one["MessageId"], "receiptHandle": one["ReceiptHandle"]}
        for one in received
    ]
    remaining = process(*records, function=CONSUMERS[queue]) if records else []
    for record in records:
        if record["messageId"] not in remaining:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])
    return len(records)


def consume_all(queue: str = providers.QUEUE) -> None:
    """Take batches until no message can be seen."""
    while consume(queue):
        pass


def deliver(queue: str = providers.QUEUE) -> None:
    """Hand over all messages of a queue at once, those too that are hidden; what is not finished is lost."""
    bodies = queued(queue)
    _queue(queue)._messages.clear()  # noqa: SLF001
    if bodies:
        process(*(message(body, number) for number, body in enumerate(bodies)), function=CONSUMERS[queue])


@contextmanager
def time_of(clock: Clock) -> Iterator[None]:
    """Let the queue go by the world's clock."""
    millis, seconds = lambda: float(clock.now_ms), lambda: clock.now_ms / 1000
    with patch("moto.sqs.models.unix_time_millis", millis), patch("moto.sqs.models.unix_time", seconds):
        yield


@contextmanager
def watched(before: Operation = lambda _: None, after: Operation = lambda _: None) -> Iterator[list[str]]:
    """Hear of every call to AWS before and after it; gives the list of the calls."""
    calls: list[str] = []
    original = BaseClient._make_api_call  # type: ignore[attr-defined] # noqa: SLF001 (of every client, PynamoDB's too)

    def make_api_call(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:  # noqa: ANN401
        calls.append(operation)
        before(operation)
        answer = original(client, operation, parameters)
        after(operation)
        return answer

    with patch.object(BaseClient, "_make_api_call", make_api_call):
        yield calls


def refusing(*operations: str, code: str = "ThrottlingException") -> Operation:
    """Refuse these calls, as AWS would; without any, all of them."""

    def refuse(operation: str) -> None:
        if operation in operations or not operations:
            raise ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {}}, operation)  # type: ignore[typeddict-item]

    return refuse


def at(position: int, accident: Callable[[], BaseException]) -> Operation:
    """Raise at the call of that number, counted from zero."""
    seen = [0]

    def count(_operation: str) -> None:
        seen[0] += 1
        if seen[0] == position + 1:
            raise accident()

    return count


def visible_at(inbox_keys: Sequence[str]) -> list[float]:
    """Tell when the messages of events can be seen again, in milliseconds since 1970."""
    return [one.visible_at for one in _queue(providers.QUEUE)._messages if one.body in inbox_keys]  # noqa: SLF001


def _secrets() -> dict[str, object]:
    return {
        providers.WEBHOOK_KEYS_SECRET: providers.webhook_keys(),
        providers.PROVIDER_KEYS_SECRET: providers.provider_keys(),
    }


def _queue(name: str) -> Any:  # noqa: ANN401 (moto's)
    return get_backend("sqs")[DEFAULT_ACCOUNT_ID][REGION].queues[name]


def _url(queue: str) -> str:
    return {providers.QUEUE: providers.QUEUE_URL, providers.PAYOUT_QUEUE: providers.PAYOUT_QUEUE_URL}[queue]


def _topics() -> list[Any]:
    topics = get_backend("sns")[DEFAULT_ACCOUNT_ID][REGION].topics
    return [topics[arn] for arn in providers.TOPIC_ARNS.values()]
