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
RAISED: Final = "raised"
_NAMING: Final = ("account_id", "transfer_id")
"""Facts that name what an alert is about, beside its subject."""


@dataclass(frozen=True, slots=True)
class Received:
    """Hold an alert as it arrived."""

    at_s: float
    kind: str
    subject: str
    facts: dict[str, str]

    @property
    def names(self) -> set[str]:
        """Name the accounts, transfers and sums that it is about."""
        found = {self.subject, *(self.facts[name] for name in _NAMING if self.facts.get(name))}
        if "transfer_key" in self.facts:
            found.add(f"trf_{self.facts['transfer_key']}")
        return found


@dataclass
class Watch:
    """Collect alerts for as long as it is open."""

    alerts: list[Received] = field(default_factory=list)


@contextmanager
def watch(deployment: Deployment) -> Iterator[Watch]:
    """Subscribe to all topics of alerts until the block ends."""
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
    for name, topic in deployment.outputs.items():
        if name.startswith("AlertsTopic"):
            raw = {"RawMessageDelivery": "true"}
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)
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
            told = json.loads(message["Body"])
            if told["event"] == RAISED:
                found.alerts.append(Received(time.time(), told["kind"], told["subject"], told["facts"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
