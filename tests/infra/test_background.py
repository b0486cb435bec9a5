"""What works behind the API: queues and their consumers, the clock, and the keys."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from infra.routes import JOBS
from tests.infra.connected import connected
from tests.infra.synthesis import Synthesis, render, stage_of, synthesize

STAGES = ("local", "staging", "production")


@pytest.mark.parametrize("name", ["WebhookQueue", "PayoutQueue", "ReconciliationQueue"])
def test_a_message_that_is_received_in_vain_ends_in_the_dead_letter_queue(synthesis: Synthesis, name: str) -> None:
    """Deliveries that come too early count, too: who works on it gives up long before."""
    queue = synthesis.properties("AWS::SQS::Queue")[f"{name}Events"]

    assert render(queue["RedrivePolicy"]["deadLetterTargetArn"]) == f"{name}DeadLetters.Arn"
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 50


@pytest.mark.parametrize("stage", STAGES)
def test_a_message_stays_hidden_while_it_is_processed(synthesis_of: Callable[[str], Synthesis], stage: str) -> None:
    """Six times as long on AWS, where a batch may wait for the function; never shorter."""
    synthesis, settings = synthesis_of(stage), stage_of(stage)
    for queue, function, expected_s in (
        ("WebhookQueueEvents", "webhook_processor", settings.webhook_visibility_s),
        ("PayoutQueueEvents", "payout_worker", settings.payout_visibility_s),
    ):
        hidden_s = synthesis.properties("AWS::SQS::Queue")[queue]["VisibilityTimeout"]
        timeout_s = synthesis.functions()[function]["Timeout"]
        assert hidden_s == expected_s
        assert hidden_s >= timeout_s * (1 if stage == "local" else 6)
        assert timeout_s == (20 if stage == "local" else 60)


def test_a_segment_comes_back_soon_after_its_worker_was_killed(synthesis: Synthesis) -> None:
    """A message is a batch of its own, so it waits for no others, and never longer than its worker may run."""
    hidden_s = synthesis.properties("AWS::SQS::Queue")["ReconciliationQueueEvents"]["VisibilityTimeout"]

    assert synthesis.functions()["reconciler"]["Timeout"] < hidden_s < 660
    mapping = synthesis.properties("AWS::Lambda::EventSourceMapping")["ReconciliationEvents"]
    assert (mapping["BatchSize"], mapping["FunctionResponseTypes"]) == (1, ["ReportBatchItemFailures"])
    assert mapping["ScalingConfig"]["MaximumConcurrency"] in {4, 16}


@pytest.mark.parametrize(
    ("name", "queue", "function"),
    [
        ("WebhooksEvents", "WebhookQueueEvents.Arn", "WebhooksWebhookProcessorFunction.Arn"),
        ("PayoutsEvents", "PayoutQueueEvents.Arn", "PayoutsPayoutWorkerFunction.Arn"),
    ],
)
def test_a_consumer_answers_for_each_message_of_a_batch(
    synthesis: Synthesis, name: str, queue: str, function: str
) -> None:
    """One that fails does not bring the others back."""
    mapping = synthesis.properties("AWS::Lambda::EventSourceMapping")[name]

    assert render(mapping["EventSourceArn"]) == queue
    assert render(mapping["FunctionName"]) == function
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == 5
    assert "ScalingConfig" not in mapping


def test_a_stage_may_bound_how_many_consumers_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    """For the sake of a provider's rate limit, say."""
    stage = connected(webhook_concurrency=3, payout_concurrency=2)
    bounded = synthesize(stage, tmp_path_factory.mktemp("bounded") / "production")

    mappings = bounded.properties("AWS::Lambda::EventSourceMapping")
    assert mappings["WebhooksEvents"]["ScalingConfig"] == {"MaximumConcurrency": 3}
    assert mappings["PayoutsEvents"]["ScalingConfig"] == {"MaximumConcurrency": 2}


def test_the_clock_calls_as_often_as_the_watchdog_expects_and_makes_up_for_nothing(synthesis: Synthesis) -> None:
    """What one call did not do, the next one does: repeats would only pile up."""
    rules = synthesis.properties("AWS::Events::Rule")

    called = {}
    for name, rule in rules.items():
        (target,) = rule["Targets"]
        called[name] = render(target["Arn"])
        minutes = JOBS[function_of(synthesis, target)] // 60
        rates = {1: "rate(1 minute)", 60: "rate(1 hour)"}
        assert rule["ScheduleExpression"] == rates.get(minutes, f"rate({minutes} minutes)")
        assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 2}
    assert called == {
        "WebhooksSweep": "WebhooksWebhookSweepFunction.Arn",
        "WebhooksPoll": "WebhooksStellarPollerFunction.Arn",
        "PayoutsSweep": "PayoutsWithdrawalSweepFunction.Arn",
        "ReconciliationPlan": "ReconciliationReconciliationPlannerFunction.Arn",
        "WatchdogWatch": "WatchdogFunction.Arn",
        "TallySweep": "TallySpikeSweepFunction.Arn",
        "ProviderReconciliationCompare": "ProviderReconciliationProviderReconcilerFunction.Arn",
    }
    for config in synthesis.properties("AWS::Lambda::EventInvokeConfig").values():
        assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 60)
    assert len(synthesis.resources("AWS::Lambda::EventInvokeConfig")) == len(rules)


def test_a_stage_may_have_providers_compared_more_often(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where much is at stake in an hour."""
    often = synthesize(connected(provider_reconciliation_minutes=15), tmp_path_factory.mktemp("often") / "production")

    rule = often.properties("AWS::Events::Rule")["ProviderReconciliationCompare"]
    assert rule["ScheduleExpression"] == "rate(15 minutes)"


def test_only_our_rules_may_call_the_functions_of_the_clock(synthesis: Synthesis) -> None:
    """Each its own function."""
    permissions = [
        permission
        for permission in synthesis.properties("AWS::Lambda::Permission").values()
        if permission["Principal"] == "events.amazonaws.com"
    ]

    assert sorted((render(one["SourceArn"]), render(one["FunctionName"])) for one in permissions) == [
        ("PayoutsSweep.Arn", "PayoutsWithdrawalSweepFunction.Arn"),
        ("ProviderReconciliationCompare.Arn", "ProviderReconciliationProviderReconcilerFunction.Arn"),
        ("ReconciliationPlan.Arn", "ReconciliationReconciliationPlannerFunction.Arn"),
        ("TallySweep.Arn", "TallySpikeSweepFunction.Arn"),
        ("WatchdogWatch.Arn", "WatchdogFunction.Arn"),
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

    assert set(secrets) == {"SecretsWebhookKeys", "SecretsProviderKeys", "SecretsNotifierKeys"}
    for secret in secrets.values():
        assert json.loads(secret["SecretString"]) == {}
        assert set(secret) == {"Description", "SecretString"}


def function_of(synthesis: Synthesis, target: dict[str, Any]) -> str:
    """Name the function that a rule calls."""
    logical_id = render(target["Arn"]).removesuffix(".Arn")
    handler: str = synthesis.properties("AWS::Lambda::Function")[logical_id]["Handler"]
    return handler.split(".")[1]
