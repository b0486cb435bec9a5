"""Create the one topic that alarms and alerts go to."""

from aws_cdk import Duration, Stack
from aws_cdk.aws_cloudwatch import Alarm, ComparisonOperator, IMetric, TreatMissingData
from aws_cdk.aws_cloudwatch_actions import SnsAction
from aws_cdk.aws_iam import PolicyStatement, ServicePrincipal
from aws_cdk.aws_kms import Key
from aws_cdk.aws_sns import Topic
from aws_cdk.aws_sns_subscriptions import EmailSubscription
from constructs import Construct

from infra.constructs.logs import removal_policy
from infra.stage import Stage


class Alerts(Construct):
    """Hold the encrypted topic, and attach alarms to it."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        # A key of our own: alarms cannot publish to a topic that AWS's own key for SNS encrypts.
        self.key = Key(self, "Key", enable_key_rotation=True, removal_policy=removal_policy(stage))
        self.topic = Topic(self, "Topic", master_key=self.key, enforce_ssl=True)
        self._admit_alarms()
        if stage.alarm_email is not None:
            self.topic.add_subscription(EmailSubscription(stage.alarm_email))

    def _admit_alarms(self) -> None:
        """Let CloudWatch publish for alarms of this account; a topic with a policy of its own admits nobody else."""
        alarms = ServicePrincipal("cloudwatch.amazonaws.com")
        own_account = {"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
        self.key.add_to_resource_policy(
            PolicyStatement(
                principals=[alarms],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
                conditions=own_account,
            )
        )
        self.topic.add_to_resource_policy(
            PolicyStatement(
                principals=[alarms],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions=own_account,
            )
        )

    def alarm(self, scope: Construct, construct_id: str, *, metric: IMetric, description: str) -> Alarm:
        """Publish an alert as soon as the metric is above zero."""
        alarm = Alarm(
            scope,
            construct_id,
            metric=metric,
            alarm_description=description,
            threshold=0,
            comparison_operator=ComparisonOperator.GREATER_THAN_THRESHOLD,
            evaluation_periods=1,
            treat_missing_data=TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(SnsAction(self.topic))
        return alarm


ALARM_PERIOD = Duration.minutes(1)
