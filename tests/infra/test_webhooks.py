"""What becomes of a webhook behind the API: the queue, its consumer, the clock, and the keys."""

import json
from collections.abc import Callable

import pytest

from tests.infra.connected import connected
from tests.infra.synthesis import Synthesis, render, stage_of, synthesize

STAGES = ("local", "staging", "production")


def test_a_message_that_is_received_in_vain_ends_in_the_dead_letter_queue(synthesis: Synthesis) -> None:
    """Deliveries that come too early count, too: the processor itself gives up long before."""
    queue = synthesis.properties("AWS::SQS::Queue")["WebhookQueueEvents"]

    assert render(queue["RedrivePolicy"]["deadLetterTargetArn"]) == "WebhookQueueDeadLetters.Arn"
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 50


@pytest.mark.parametrize("stage", STAGES)
def test_a_message_stays_hidden_while_it_is_processed(synthesis_of: Callable[[str], Synthesis], stage: str) -> None:
    """Six times as long on AWS, where a batch may wait for the function; never shorter."""
    synthesis = synthesis_of(stage)
    hidden_s = synthesis.properties("AWS::SQS::Queue")["WebhookQueueEvents"]["VisibilityTimeout"]
    timeout_s = synthesis.functions()["webhook_processor"]["Timeout"]

    assert hidden_s == stage_of(stage).webhook_visibility_s
    assert hidden_s >= timeout_s * (1 if stage == "local" else 6)
    assert timeout_s == (20 if stage == "local" else 60)


def test_the_processor_answers_for_each_message_of_a_batch(synthesis: Synthesis) -> None:
    """One that fails does not bring the others back."""
    mapping = synthesis.properties("AWS::Lambda::EventSourceMapping")["WebhooksEvents"]

    assert render(mapping["EventSourceArn"]) == "WebhookQueueEvents.Arn"
    assert render(mapping["FunctionName"]) == "WebhooksWebhookProcessorFunction.Arn"
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == 5
    assert "ScalingConfig" not in mapping


def test_a_stage_may_bound_how_many_processors_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    """For the sake of a provider's rate limit, say."""
    bounded = synthesize(connected(webhook_concurrency=3), tmp_path_factory.mktemp("bounded") / "production")

    mapping = bounded.properties("AWS::Lambda::EventSourceMapping")["WebhooksEvents"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 3}


def test_the_clock_calls_every_minute_and_makes_up_for_nothing(synthesis: Synthesis) -> None:
    """What one call did not do, the next one does: repeats would only pile up."""
    rules = synthesis.properties("AWS::Events::Rule")

    called = {}
    for name, rule in rules.items():
        (target,) = rule["Targets"]
        called[name] = render(target["Arn"])
        assert rule["ScheduleExpression"] == "rate(1 minute)"
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 2}
    assert called == {
        "WebhooksSweep": "WebhooksWebhookSweepFunction.Arn",
        "WebhooksPoll": "WebhooksStellarPollerFunction.Arn",
    }
    for config in synthesis.properties("AWS::Lambda::EventInvokeConfig").values():
        assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 60)
    assert len(synthesis.resources("AWS::Lambda::EventInvokeConfig")) == len(rules)


def test_only_our_rules_may_call_the_functions_of_the_clock(synthesis: Synthesis) -> None:
    """Each its own function."""
    permissions = [
        permission
        for permission in synthesis.properties("AWS::Lambda::Permission").values()
        if permission["Principal"] == "events.amazonaws.com"
    ]

    assert sorted((render(one["SourceArn"]), render(one["FunctionName"])) for one in permissions) == [
        ("WebhooksPoll.Arn", "WebhooksStellarPollerFunction.Arn"),
        ("WebhooksSweep.Arn", "WebhooksWebhookSweepFunction.Arn"),
    ]


def test_stellar_is_polled_where_it_is_configured(
    production: Synthesis, with_providers: Synthesis, local: Synthesis
) -> None:
    """The sweep always runs: a provider that was taken out may have left events."""
    for synthesis, state in ((production, "DISABLED"), (with_providers, "ENABLED"), (local, "ENABLED")):
        rules = synthesis.properties("AWS::Events::Rule")
        assert rules["WebhooksPoll"]["State"] == state
        assert rules["WebhooksSweep"]["State"] == "ENABLED"


def test_the_secrets_are_made_empty_and_are_named_by_cloudformation(synthesis: Synthesis) -> None:
    """No key gets into a template, and no update takes out again what operators put in."""
    secrets = synthesis.properties("AWS::SecretsManager::Secret")

    assert set(secrets) == {"SecretsWebhookKeys", "SecretsProviderKeys"}
    for secret in secrets.values():
        assert json.loads(secret["SecretString"]) == {}
        assert set(secret) == {"Description", "SecretString"}
