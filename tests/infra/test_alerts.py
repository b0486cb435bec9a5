"""Nothing that goes wrong goes unheard: alarms, the ledger guard, and the topics behind both."""

import json
from typing import Any

from infra.routes import FUNCTIONS
from infra.stage import PRIORITIES
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


def test_new_transfers_are_tallied_and_nothing_else(synthesis: Synthesis) -> None:
    """Tombstones and markers move nothing; a batch that fails comes back whole, and ends in the failure queue."""
    mappings = synthesis.properties("AWS::Lambda::EventSourceMapping")
    (mapping,) = [mapping for name, mapping in mappings.items() if name.startswith("Tally")]

    (pattern,) = mapping["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {
        "eventName": ["INSERT"],
        "dynamodb": {"NewImage": {"item": {"S": ["transfer"]}}},
    }
    assert render(mapping["EventSourceArn"]) == "DataTransfers.StreamArn"
    assert render(mapping["FunctionName"]) == "TallyFunction.Arn"
    assert mapping["StartingPosition"] == "TRIM_HORIZON"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert (mapping["BatchSize"], mapping["MaximumBatchingWindowInSeconds"]) == (100, 5)
    assert mapping["MaximumRetryAttempts"] == 20
    assert render(mapping["DestinationConfig"]["OnFailure"]["Destination"]) == "TallyFailures.Arn"


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
            "ReconciliationQueueDeadLetters",
            "ReconciliationQueueEvents",
            "TallyFailures",
            "WebhookQueueDeadLetters",
            "WebhookQueueEvents",
        }
    )
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 60 * 60
        assert refuses_plain_text(policies[name])


def test_every_crash_server_error_and_lost_record_raises_an_alarm(synthesis: Synthesis) -> None:
    """One alarm per function and one each for the API, where messages end, and the clock."""
    alarms = alarms_of_what_happens(synthesis).values()

    watched = sorted((alarm["MetricName"], render(alarm["Dimensions"][0]["Value"])) for alarm in alarms)
    functions = synthesis.resources("AWS::Lambda::Function")
    assert len(functions) == len(FUNCTIONS)
    assert watched == sorted(
        [
            ("5xx", "ApiHttp"),
            ("ApproximateNumberOfMessagesVisible", "GuardFailures.QueueName"),
            ("ApproximateNumberOfMessagesVisible", "PayoutQueueDeadLetters.QueueName"),
            ("ApproximateNumberOfMessagesVisible", "ReconciliationQueueDeadLetters.QueueName"),
            ("ApproximateNumberOfMessagesVisible", "TallyFailures.QueueName"),
            ("ApproximateNumberOfMessagesVisible", "WebhookQueueDeadLetters.QueueName"),
            ("FailedInvocations", "PayoutsSweep"),
            ("FailedInvocations", "ReconciliationPlan"),
            ("FailedInvocations", "WatchdogWatch"),
            ("FailedInvocations", "TallySweep"),
            ("FailedInvocations", "ProviderReconciliationCompare"),
            ("FailedInvocations", "WebhooksPoll"),
            ("FailedInvocations", "WebhooksSweep"),
            *(("Errors", name) for name in functions),
        ]
    )
    for alarm in alarms:
        assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 0)
        assert alarm["TreatMissingData"] == "notBreaching"
        # The local cloud refuses alarms on expressions.
        assert "Metrics" not in alarm


def test_an_alarm_goes_to_the_topic_of_its_priority_and_so_does_its_end(synthesis: Synthesis) -> None:
    """What may hide that history was changed is for right now, as is a watchdog that stands still."""
    urgent = {"GuardUnguarded", "WatchdogSilent"}
    for name, alarm in synthesis.properties("AWS::CloudWatch::Alarm").items():
        expected = ["AlertsP0" if name in urgent else "AlertsP1"]
        assert [render(action) for action in alarm["AlarmActions"]] == expected
        assert [render(action) for action in alarm["OKActions"]] == expected


def test_a_watchdog_that_is_not_called_for_ten_minutes_raises_an_alarm(production: Synthesis, local: Synthesis) -> None:
    """The local cloud counts no calls: there the alarm would never end."""
    alarm = production.properties("AWS::CloudWatch::Alarm")["WatchdogSilent"]

    assert (alarm["MetricName"], render(alarm["Dimensions"][0]["Value"])) == ("Invocations", "WatchdogFunction")
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("LessThanThreshold", 1)
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["Statistic"]) == (600, 1, "Sum")
    assert alarm["TreatMissingData"] == "breaching"
    assert "WatchdogSilent" not in local.resources("AWS::CloudWatch::Alarm")


def test_the_topics_are_encrypted_with_a_key_that_alarms_may_use(synthesis: Synthesis) -> None:
    """With AWS's own key for SNS an alarm would be dropped without a word."""
    topics = synthesis.properties("AWS::SNS::Topic")
    (key,) = synthesis.properties("AWS::KMS::Key").values()
    policies = synthesis.properties("AWS::SNS::TopicPolicy").values()

    assert set(topics) == {f"Alerts{priority}" for priority in PRIORITIES}
    assert {render(topic["KmsMasterKeyId"]) for topic in topics.values()} == {"AlertsKey.Arn"}
    assert key["EnableKeyRotation"] is True
    assert grants_to_alarms(key["KeyPolicy"]["Statement"]) == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert sorted(render(topic) for policy in policies for topic in policy["Topics"]) == sorted(topics)
    for policy in policies:
        assert grants_to_alarms(policy["PolicyDocument"]["Statement"]) == "sns:Publish"
        assert refuses_plain_text(policy["PolicyDocument"]["Statement"])


def alarms_of_what_happens(synthesis: Synthesis) -> dict[str, dict[str, Any]]:
    """Leave out the one alarm of what does not happen."""
    alarms = synthesis.properties("AWS::CloudWatch::Alarm")
    return {name: alarm for name, alarm in alarms.items() if name != "WatchdogSilent"}


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
