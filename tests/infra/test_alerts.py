"""Nothing that goes wrong goes unheard: alarms, the ledger guard, and the topic behind both."""

import json
from typing import Any

from infra.routes import FUNCTIONS
from tests.infra.synthesis import Synthesis, render


def test_the_guard_sees_every_change_of_history(synthesis: Synthesis) -> None:
    """New records are the normal case and wake nobody; what cannot be handled ends in the failure queue."""
    mappings = synthesis.properties("AWS::Lambda::EventSourceMapping")
    watching = {render(mapping["EventSourceArn"]): mapping for name, mapping in mappings.items() if "Guard" in name}

    assert set(watching) == {"DataEntries.StreamArn", "DataTransfers.StreamArn", "DataAudit.StreamArn"}
    for mapping in watching.values():
        (pattern,) = mapping["FilterCriteria"]["Filters"]
        assert json.loads(pattern["Pattern"]) == {"eventName": ["MODIFY", "REMOVE"]}
        assert render(mapping["FunctionName"]) == "GuardLedgerGuardFunction.Arn"
        assert mapping["StartingPosition"] == "TRIM_HORIZON"
        assert mapping["BisectBatchOnFunctionError"] is True
        assert 0 < mapping["MaximumRetryAttempts"] <= 10
        assert 0 < mapping["BatchSize"] <= 100
        assert render(mapping["DestinationConfig"]["OnFailure"]["Destination"]) == "GuardFailures.Arn"


def test_queues_are_encrypted_in_rest_and_in_transit(synthesis: Synthesis) -> None:
    """Their messages name accounts and events."""
    queues = synthesis.properties("AWS::SQS::Queue")
    policies = {
        render(queue): policy["PolicyDocument"]["Statement"]
        for policy in synthesis.properties("AWS::SQS::QueuePolicy").values()
        for queue in policy["Queues"]
    }

    assert (
        set(queues)
        == set(policies)
        == {
            "GuardFailures",
            "PayoutQueueDeadLetters",
            "PayoutQueueEvents",
            "WebhookQueueDeadLetters",
            "WebhookQueueEvents",
        }
    )
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 60 * 60
        assert refuses_plain_text(policies[name])


def test_every_crash_server_error_and_lost_record_raises_an_alarm(synthesis: Synthesis) -> None:
    """One alarm per function and one each for the API, where messages end, and the clock; all to the topic."""
    alarms = synthesis.properties("AWS::CloudWatch::Alarm").values()

    watched = sorted((alarm["MetricName"], render(alarm["Dimensions"][0]["Value"])) for alarm in alarms)
    functions = synthesis.resources("AWS::Lambda::Function")
    assert len(functions) == len(FUNCTIONS)
    assert watched == sorted(
        [
            ("5xx", "ApiHttp"),
            ("ApproximateNumberOfMessagesVisible", "GuardFailures.QueueName"),
            ("ApproximateNumberOfMessagesVisible", "PayoutQueueDeadLetters.QueueName"),
            ("ApproximateNumberOfMessagesVisible", "WebhookQueueDeadLetters.QueueName"),
            ("FailedInvocations", "PayoutsSweep"),
            ("FailedInvocations", "ProviderReconciliationCompare"),
            ("FailedInvocations", "WebhooksPoll"),
            ("FailedInvocations", "WebhooksSweep"),
            *(("Errors", name) for name in functions),
        ]
    )
    for alarm in alarms:
        assert [render(action) for action in alarm["AlarmActions"]] == ["AlertsTopic"]
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
        assert alarm["TreatMissingData"] == "notBreaching"
        # The local cloud refuses alarms on expressions.
        assert "Metrics" not in alarm


def test_the_topic_is_encrypted_with_a_key_that_alarms_may_use(synthesis: Synthesis) -> None:
    """With AWS's own key for SNS an alarm would be dropped without a word."""
    (topic,) = synthesis.properties("AWS::SNS::Topic").values()
    (key,) = synthesis.properties("AWS::KMS::Key").values()
    (policy,) = synthesis.properties("AWS::SNS::TopicPolicy").values()

    assert render(topic["KmsMasterKeyId"]) == "AlertsKey.Arn"
    assert key["EnableKeyRotation"] is True
    assert grants_to_alarms(key["KeyPolicy"]["Statement"]) == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert grants_to_alarms(policy["PolicyDocument"]["Statement"]) == "sns:Publish"
    assert refuses_plain_text(policy["PolicyDocument"]["Statement"])


def grants_to_alarms(statements: list[dict[str, Any]]) -> object:
    """Find what CloudWatch may do for this account's alarms."""
    (statement,) = [one for one in statements if one["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]
    assert statement["Effect"] == "Allow"
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    return statement["Action"]


def refuses_plain_text(statements: list[dict[str, Any]]) -> bool:
    """Tell whether a resource policy denies whatever does not come over TLS."""
    insecure = {"Bool": {"aws:SecureTransport": "false"}}
    return any(one["Effect"] == "Deny" and one.get("Condition") == insecure for one in statements)
