"""Grant what several functions need alike."""

from infra.constructs.alerts import Alerts
from infra.constructs.data import Data
from infra.constructs.function import PythonFunction

# A Put or Update alone could not keep the books balanced, so none is allowed outside a transaction.
# The form is that of "Using IAM with DynamoDB transactions" (DynamoDB Developer Guide).
IN_TRANSACTION = {"ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": "TransactWriteItems"}}


def allow_posting(function: PythonFunction, data: Data) -> None:
    """Let a function move money."""
    function.allow("dynamodb:GetItem", on=[data.accounts.table_arn, data.transfers.table_arn])
    function.allow("dynamodb:UpdateItem", on=[data.accounts.table_arn], when=IN_TRANSACTION)
    function.allow("dynamodb:PutItem", on=[data.entries.table_arn, data.transfers.table_arn], when=IN_TRANSACTION)


def allow_alerting(function: PythonFunction, alerts: Alerts, data: Data) -> None:
    """Let a function keep alerts and tell people; the topics' key is needed to publish to them."""
    function.allow("dynamodb:GetItem", "dynamodb:PutItem", on=[data.operations.table_arn])
    function.allow("sns:Publish", on=alerts.topic_arns)
    function.allow("kms:Decrypt", "kms:GenerateDataKey", on=[alerts.key.key_arn])


def allow_noting_runs(function: PythonFunction, alerts: Alerts, data: Data) -> None:
    """Let a job of the clock note when it ran, and tell people when it could not."""
    allow_alerting(function, alerts, data)
    function.allow("dynamodb:UpdateItem", on=[data.operations.table_arn])
