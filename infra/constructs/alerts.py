"""Create the topics that alarms and alerts go to, one for each priority."""

from collections.abc import Sequence
from typing import Final

from aws_cdk import Duration, Stack
from aws_cdk.aws_cloudwatch import Alarm, ComparisonOperator, IMetric, TreatMissingData
from aws_cdk.aws_cloudwatch_actions import SnsAction
from aws_cdk.aws_iam import PolicyStatement, ServicePrincipal
from aws_cdk.aws_kms import Key
from aws_cdk.aws_sns import Topic
from aws_cdk.aws_sns_subscriptions import EmailSubscription
from constructs import Construct

from infra.constructs.logs import removal_policy
from infra.stage import PRIORITIES, Priority, Stage

ALARM_PERIOD = Duration.minutes(1)
OWN_ACCOUNT: Final = "aws:SourceAccount"


class Alerts(Construct):
    """Hold the encrypted topics, and attach alarms to them."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        # A key of our own: alarms cannot publish to a topic that AWS's own key for SNS encrypts.
        self.key = Key(self, "Key", enable_key_rotation=True, removal_policy=removal_policy(stage))
        self._admit("cloudwatch.amazonaws.com")
        self.topics = {priority: self._topic(priority, stage.alarm_emails.get(priority, ())) for priority in PRIORITIES}

    @property
    def topic_arns(self) -> list[str]:
        """Name all topics."""
        return [topic.topic_arn for topic in self.topics.values()]

    def _topic(self, priority: Priority, addresses: Sequence[str]) -> Topic:
        """Create a topic that CloudWatch may publish to for alarms of this account."""
        topic = Topic(self, priority, master_key=self.key, enforce_ssl=True)
        topic.add_to_resource_policy(
            PolicyStatement(
                principals=[ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions=self._of_this_account,
            )
        )
        for address in addresses:
            topic.add_subscription(EmailSubscription(address))
        return topic

    def _admit(self, service: str) -> None:
        """Let a service use the key for what belongs to this account."""
        self.key.add_to_resource_policy(
            PolicyStatement(
                principals=[ServicePrincipal(service)],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
                conditions=self._of_this_account,
            )
        )

    @property
    def _of_this_account(self) -> dict[str, dict[str, str]]:
        return {"StringEquals": {OWN_ACCOUNT: Stack.of(self).account}}

    def alarm(
        self, scope: Construct, construct_id: str, *, metric: IMetric, description: str, priority: Priority = "P1"
    ) -> Alarm:
        """Tell people as soon as the metric is above zero, and when it is not any more."""
        return self._told(
            priority,
            Alarm(
                scope,
                construct_id,
                metric=metric,
                alarm_description=description,
                threshold=0,
                comparison_operator=ComparisonOperator.GREATER_THAN_THRESHOLD,
                evaluation_periods=1,
                treat_missing_data=TreatMissingData.NOT_BREACHING,
            ),
        )

    def alarm_of_silence(
        self, scope: Construct, construct_id: str, *, metric: IMetric, description: str, priority: Priority
    ) -> Alarm:
        """Tell people when what should be counted within the metric's period was not, not even as zero."""
        return self._told(
            priority,
            Alarm(
                scope,
                construct_id,
                metric=metric,
                alarm_description=description,
                threshold=1,
                comparison_operator=ComparisonOperator.LESS_THAN_THRESHOLD,
                evaluation_periods=1,
                treat_missing_data=TreatMissingData.BREACHING,
            ),
        )

    def _told(self, priority: Priority, alarm: Alarm) -> Alarm:
        alarm.add_alarm_action(SnsAction(self.topics[priority]))
        alarm.add_ok_action(SnsAction(self.topics[priority]))
        return alarm
