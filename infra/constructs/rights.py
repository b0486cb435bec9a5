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


def allow_alerting(function: PythonFunction, alerts: Alerts) -> None:
    """Let a function tell people; the topic's key is needed to publish to it."""
    function.allow("sns:Publish", on=[alerts.topic.topic_arn])
    function.allow("kms:Decrypt", "kms:GenerateDataKey", on=[alerts.key.key_arn])
