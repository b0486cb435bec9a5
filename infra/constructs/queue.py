"""Create the queues that functions work on."""

from aws_cdk import Duration
from aws_cdk.aws_sqs import DeadLetterQueue, Queue, QueueEncryption
from constructs import Construct

from infra.constructs.alerts import ALARM_PERIOD, Alerts

RETENTION = Duration.days(14)
# Deliveries that came too early, or while the function was throttled, count too. Who works on it gives up by itself
# long before, and keeps what it gave up on; this catches what it could not even read.
MAX_RECEIVES = 50


class WorkQueue(Construct):
    """Hold the keys of what waits to be done; one that nobody can take on ends in the dead-letter queue."""

    def __init__(self, scope: Construct, construct_id: str, *, visibility_s: int, lost: str, alerts: Alerts) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = self._queue("DeadLetters")
        self.events = self._queue(
            "Events",
            visibility=Duration.seconds(visibility_s),
            dead_letter_queue=DeadLetterQueue(queue=self.dead_letters, max_receive_count=MAX_RECEIVES),
        )
        alerts.alarm(
            self,
            "Undeliverable",
            metric=self.dead_letters.metric_approximate_number_of_messages_visible(period=ALARM_PERIOD),
            description=f"A message was received in vain too often: {lost}",
        )

    def _queue(
        self, name: str, *, visibility: Duration | None = None, dead_letter_queue: DeadLetterQueue | None = None
    ) -> Queue:
        return Queue(
            self,
            name,
            encryption=QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
            visibility_timeout=visibility,
            dead_letter_queue=dead_letter_queue,
        )
