"""Receive the alerts that reach people, and note when."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cli.local.deployment import Deployment

if TYPE_CHECKING:
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient

OVERWRITTEN: Final = "LEDGER_OVERWRITTEN"
_NAMING: Final = ("account_id", "transfer_id", "subject")
"""Facts that name what an alert is about."""


@dataclass(frozen=True, slots=True)
class Received:
    """Hold an alert as it arrived."""

    at_s: float
    facts: dict[str, str]

    @property
    def kind(self) -> str:
        """Say what it is about."""
        return self.facts["kind"]

    @property
    def names(self) -> set[str]:
        """Name the accounts and transfers that it is about."""
        found = {self.facts[name] for name in _NAMING if self.facts.get(name)}
        if "transfer_key" in self.facts:
            found.add(f"trf_{self.facts['transfer_key']}")
        return found | {name.partition("#")[2] for name in found if name.startswith("checkpoint#")}


@dataclass
class Watch:
    """Collect alerts for as long as it is open."""

    alerts: list[Received] = field(default_factory=list)


@contextmanager
def watch(deployment: Deployment) -> Iterator[Watch]:
    """Subscribe to the topic of alerts until the block ends."""
    sqs: SQSClient = deployment.client("sqs")
    sns: SNSClient = deployment.client("sns")
    queue = sqs.create_queue(QueueName="bench-alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sns.subscribe(
        TopicArn=deployment.outputs["AlertsTopicArn"],
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"RawMessageDelivery": "true"},
    )
    found, stop = Watch(), threading.Event()
    thread = threading.Thread(target=_receive, args=(sqs, queue, found, stop), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join(timeout=10)


def _receive(sqs: "SQSClient", queue: str, found: Watch, stop: threading.Event) -> None:
    while not stop.is_set():
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", ()):
            found.alerts.append(Received(time.time(), json.loads(message["Body"])))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
