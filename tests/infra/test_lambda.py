"""What all functions have in common, and the settings each of them gets."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.app import file_context
from infra.artifacts.target import AWS
from infra.routes import API_FUNCTIONS, FUNCTIONS, JOBS, RECONCILIATION, WATCHDOG
from infra.stage import PRIORITIES, StageError, load_stage
from tests.infra.connected import connected, example, provider
from tests.infra.synthesis import Synthesis, new_app, readable, render, stage_of, synthesize

COMMON = {
    "TALLYSTICK_STAGE",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_LOG_LEVEL",
    "POWERTOOLS_METRICS_NAMESPACE",
}
ACCOUNTS, ENTRIES, TRANSFERS = (f"TALLYSTICK_{table}_TABLE" for table in ("ACCOUNTS", "ENTRIES", "TRANSFERS"))
FLOWS, INBOX, AUDIT, OPERATIONS = (f"TALLYSTICK_{table}_TABLE" for table in ("FLOWS", "INBOX", "AUDIT", "OPERATIONS"))
LEDGER = {ACCOUNTS, ENTRIES, TRANSFERS}
POSTING = LEDGER | {"TALLYSTICK_SERVICE_LIMITS"}
QUEUEING = {"TALLYSTICK_WEBHOOK_QUEUE_URL", "TALLYSTICK_WEBHOOK_GRACE_S"}
GATEWAYS = {"TALLYSTICK_PROVIDERS", "TALLYSTICK_PUBLIC_URL", "TALLYSTICK_PROVIDER_KEYS_SECRET"}
ALERTING = {OPERATIONS, "TALLYSTICK_ALERTS", *(f"TALLYSTICK_ALERTS_TOPIC_{priority}_ARN" for priority in PRIORITIES)}
NOTING_RUNS = ALERTING | {"TALLYSTICK_JOBS"}
RECONCILING = LEDGER | {FLOWS, AUDIT, "TALLYSTICK_RECONCILIATION", "TALLYSTICK_RECONCILIATION_QUEUE_URL"} | ALERTING
SETTINGS = {
    "wallets": {ACCOUNTS},
    "credit": POSTING,
    "debit": POSTING,
    "transfers": POSTING,
    "statements": {ACCOUNTS, ENTRIES},
    "auth": {"TALLYSTICK_USER_POOL_CLIENT_ID"},
    "deposits": {ACCOUNTS, FLOWS, "TALLYSTICK_DEPOSIT_EXPIRY_S"} | GATEWAYS,
    "dead_letters": LEDGER | {FLOWS, INBOX, AUDIT} | QUEUEING | GATEWAYS | ALERTING,
    "withdrawals": LEDGER
    | {FLOWS, AUDIT, OPERATIONS, "TALLYSTICK_PROVIDERS", "TALLYSTICK_PUBLIC_URL"}
    | {"TALLYSTICK_WITHDRAWALS", "TALLYSTICK_PAYOUT_QUEUE_URL"},
    "webhooks": {INBOX, "TALLYSTICK_WEBHOOK_KEYS_SECRET", "TALLYSTICK_PROVIDERS", "TALLYSTICK_PUBLIC_URL"} | QUEUEING,
    "health": LEDGER | {FLOWS, INBOX, AUDIT, OPERATIONS, "TALLYSTICK_PROVIDERS"},
    "differences": {OPERATIONS, INBOX, AUDIT} | QUEUEING | GATEWAYS,
    "provider_reconciler": {FLOWS} | GATEWAYS | NOTING_RUNS,
    "docs": set[str](),
    "alerts": ALERTING | {AUDIT},
    "ledger_guard": ALERTING,
    "tally": {"TALLYSTICK_CREDIT_SPIKES"} | ALERTING,
    "spike_sweep": {"TALLYSTICK_CREDIT_SPIKES"} | NOTING_RUNS,
    "webhook_processor": LEDGER | {FLOWS, INBOX, "TALLYSTICK_WEBHOOK_RETRIES_S"} | ALERTING | QUEUEING | GATEWAYS,
    "webhook_sweep": {INBOX} | QUEUEING | NOTING_RUNS,
    "payout_worker": LEDGER | {FLOWS, "TALLYSTICK_WITHDRAWALS", "TALLYSTICK_PAYOUT_CHECKS_S"} | GATEWAYS | ALERTING,
    "withdrawal_sweep": {FLOWS, "TALLYSTICK_PAYOUT_QUEUE_URL"} | NOTING_RUNS,
    "integrity": RECONCILING | {"TALLYSTICK_PROVIDERS", "TALLYSTICK_JOBS"},
    "reconciliation_planner": RECONCILING | NOTING_RUNS,
    "reconciler": RECONCILING | NOTING_RUNS,
    "stellar_poller": {INBOX, "TALLYSTICK_PROVIDERS"} | QUEUEING | NOTING_RUNS,
    "watchdog": {INBOX, FLOWS} | NOTING_RUNS,
    "notifier": ALERTING - {OPERATIONS, "TALLYSTICK_ALERTS"}
    | {"TALLYSTICK_NOTIFIER", "TALLYSTICK_NOTIFIER_KEYS_SECRET"},
}
LONGEST_S = {"provider_reconciler": 300, "reconciler": 600}
PROVIDERS = {"stripe", "paystack", "moonpay", "ramp", "truelayer", "stellar"}
OF_SEALS = {"allowlist", "tolerance_s", "jwks_url", "trusted_jku"}


def test_the_stack_has_these_functions(synthesis: Synthesis) -> None:
    """A function that no route or stream reaches, or that has no code, is a mistake."""
    handlers = {name: function["Handler"] for name, function in synthesis.functions().items()}

    assert handlers == {name: f"functions.{name}.handler.handler" for name in FUNCTIONS}


def test_functions_run_on_what_the_layers_are_built_for(production: Synthesis) -> None:
    """Bytecode and native extensions fit one Python and one architecture."""
    for resource in (*production.functions().values(), *production.properties("AWS::Lambda::LayerVersion").values()):
        runtimes = [resource["Runtime"]] if "Runtime" in resource else resource["CompatibleRuntimes"]
        assert runtimes == [f"python{AWS.python_version}"]
        assert resource.get("Architectures", resource.get("CompatibleArchitectures")) == ["arm64"]


def test_functions_trace_and_log_as_json_for_a_while(synthesis: Synthesis) -> None:
    """Each log group belongs to one function and forgets."""
    groups = synthesis.properties("AWS::Logs::LogGroup")
    used = []
    for function in synthesis.functions().values():
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["LoggingConfig"]["LogFormat"] == "JSON"
        used.append(render(function["LoggingConfig"]["LogGroup"]))

    assert len(set(used)) == len(FUNCTIONS)
    assert set(used) | {"ApiLogs"} == set(groups)


@pytest.mark.parametrize(("stage", "days"), [("local", 1), ("staging", 14), ("production", 365)])
def test_logs_are_kept_as_long_as_the_stage_says(
    synthesis_of: Callable[[str], Synthesis], stage: str, days: int
) -> None:
    """Logs cost money for as long as they are kept."""
    groups = synthesis_of(stage).properties("AWS::Logs::LogGroup").values()

    assert {group["RetentionInDays"] for group in groups} == {days}


def test_functions_take_both_layers_and_finish_before_the_api_gives_up(synthesis: Synthesis) -> None:
    """API Gateway answers 503 after 30 seconds, whatever the function does; the clock calls most again after 60."""
    for name, function in synthesis.functions().items():
        layers = [readable(layer["Ref"]) for layer in function["Layers"]]
        assert layers == ["LayersDependencies", "LayersTallystick"]
        assert 0 < function["Timeout"] <= (29 if name in API_FUNCTIONS else LONGEST_S.get(name, 60))
        assert "ReservedConcurrentExecutions" not in function


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_get_only_the_settings_they_read(with_providers: Synthesis, name: str) -> None:
    """A setting that is not read is a promise that is not kept."""
    variables = with_providers.functions()[name]["Environment"]["Variables"]

    assert set(variables) == COMMON | SETTINGS[name]
    assert variables["POWERTOOLS_SERVICE_NAME"] == name
    assert variables["TALLYSTICK_STAGE"] == "production"


def test_settings_point_at_the_tables(production: Synthesis) -> None:
    """Two names mixed up would pass every other check here."""
    variables = variables_of(production, "health")
    for table in ("Accounts", "Entries", "Transfers", "Flows", "Inbox", "Audit", "Operations"):
        assert render(variables[f"TALLYSTICK_{table.upper()}_TABLE"]) == f"Data{table}"
    variables = variables_of(production, "transfers")
    assert json.loads(variables["TALLYSTICK_SERVICE_LIMITS"]) == stage_of("production").service_limits


def test_settings_point_at_the_queue_and_the_secrets(with_providers: Synthesis) -> None:
    """Who checks signatures and who calls providers read different secrets."""
    webhooks, processor = (variables_of(with_providers, name) for name in ("webhooks", "webhook_processor"))

    assert render(webhooks["TALLYSTICK_WEBHOOK_KEYS_SECRET"]) == "SecretsWebhookKeys.Id"
    assert render(processor["TALLYSTICK_PROVIDER_KEYS_SECRET"]) == "SecretsProviderKeys.Id"
    assert render(webhooks["TALLYSTICK_WEBHOOK_QUEUE_URL"]) == "WebhookQueueEvents"
    for priority in PRIORITIES:
        assert render(processor[f"TALLYSTICK_ALERTS_TOPIC_{priority}_ARN"]) == f"Alerts{priority}"
    for name in ("withdrawals", "withdrawal_sweep"):
        payouts = variables_of(with_providers, name)["TALLYSTICK_PAYOUT_QUEUE_URL"]
        assert render(payouts) == "PayoutQueueEvents"
    assert webhooks["TALLYSTICK_PUBLIC_URL"] == "https://wallet.example.com"
    assert json.loads(processor["TALLYSTICK_WEBHOOK_RETRIES_S"]) == [60, 300, 900, 1800, 3600]
    assert processor["TALLYSTICK_WEBHOOK_GRACE_S"] == "120"


def test_a_function_is_told_its_own_part_of_the_providers(with_providers: Synthesis) -> None:
    """Together the parts are what the stage says; all of it would not fit into one environment."""
    told = {
        name: json.loads(variables_of(with_providers, name)["TALLYSTICK_PROVIDERS"])
        for name in ("webhooks", "deposits", "dead_letters", "webhook_processor", "stellar_poller")
    }

    configured = example()["providers"]
    assert told["deposits"] == told["dead_letters"] == told["webhook_processor"]
    for name in PROVIDERS:
        judging, trading = told["webhooks"][name], told["webhook_processor"][name]
        assert set(judging) <= OF_SEALS | {"environment", "base_url"}
        assert not set(trading) & OF_SEALS
        assert judging | trading == configured[name]
    assert told["stellar_poller"] == {"stellar": told["webhook_processor"]["stellar"]}


def test_who_compares_is_told_after_how_long_books_have_to_agree(tmp_path: Path) -> None:
    """Nobody else has to do with it."""
    stage = connected(providers={"stripe": provider("stripe", ageing_s=900)})
    synthesis = synthesize(stage, tmp_path / "ageing")
    told = {
        name: json.loads(variables["TALLYSTICK_PROVIDERS"])["stripe"].get("ageing_s")
        for name in FUNCTIONS
        if "TALLYSTICK_PROVIDERS" in (variables := variables_of(synthesis, name)) and name != "stellar_poller"
    }

    assert {name for name, ageing_s in told.items() if ageing_s is not None} == {"provider_reconciler"}
    assert told["provider_reconciler"] == 900


def test_payouts_are_told_nothing_of_checkouts(with_providers: Synthesis) -> None:
    """And who only shows how providers do is told their names."""
    for name in ("withdrawals", "payout_worker"):
        for setting in json.loads(variables_of(with_providers, name)["TALLYSTICK_PROVIDERS"]).values():
            assert not set(setting) & (OF_SEALS | {"checkout_url", "return_url", "publishable_key"})
    for setting in json.loads(variables_of(with_providers, "health")["TALLYSTICK_PROVIDERS"]).values():
        assert set(setting) == {"environment", "base_url"}


def test_rules_of_withdrawals_reach_who_applies_them(with_providers: Synthesis) -> None:
    """As the stage says them; what it leaves out has its default."""
    for name in ("withdrawals", "payout_worker"):
        assert json.loads(variables_of(with_providers, name)["TALLYSTICK_WITHDRAWALS"]) == example()["withdrawals"]


def test_environments_fit_into_lambda_with_room_to_spare(with_providers: Synthesis) -> None:
    """Lambda allows 4,096 bytes; the names that CloudFormation makes have about a hundred each."""
    for function in with_providers.functions().values():
        variables = function["Environment"]["Variables"]
        known = {name: value if isinstance(value, str) else "x" * 100 for name, value in variables.items()}
        assert len(json.dumps(known)) < 3700


def test_an_environment_that_lambda_would_refuse_stops_the_synthesis(tmp_path: Path) -> None:
    """It says which function, and where to save."""
    crowded = provider("stripe", allowlist=[f"198.51.{third}.0/24" for third in range(250)])
    stage = connected(providers={"stripe": crowded})

    with pytest.raises(
        StageError, match=r"environment of webhooks takes \d+ bytes.*largest part is TALLYSTICK_PROVIDERS"
    ):
        new_app(stage, tmp_path / "crowded")


@pytest.fixture(scope="module")
def customized(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """Synthesize a staging that uses every optional setting."""
    settings = {
        **file_context()["stages"]["staging"],
        "alarm_emails": {"P0": ["ops@example.com", "chief@example.com"], "P2": ["desk@example.com"]},
        "alerts": {"PAYOUT_FAILED": {"severity": "low"}},
        "assets": {"GLD": {"scale": 3, "kind": "metal"}},
        "reserved_concurrency": {"credit": 7},
    }
    stage = load_stage("staging", {"staging": settings})
    return synthesize(stage, tmp_path_factory.mktemp("customized") / "staging")


def test_concurrency_is_reserved_where_the_stage_says(customized: Synthesis) -> None:
    """Everything else shares what is left."""
    reserved = {
        name: function["ReservedConcurrentExecutions"]
        for name, function in customized.functions().items()
        if "ReservedConcurrentExecutions" in function
    }

    assert reserved == {"credit": 7}


def test_assets_of_a_stage_reach_who_asks_for_them(customized: Synthesis) -> None:
    """A stage may have its own list of assets."""
    assets = {
        name: function["Environment"]["Variables"].get("TALLYSTICK_ASSETS")
        for name, function in customized.functions().items()
    }

    own = '{"GLD":{"scale":3,"kind":"metal"}}'
    assert {name for name, value in assets.items() if value == own} == {
        *("wallets", "credit", "debit", "transfers", "statements", "docs"),
        *("deposits", "dead_letters", "webhook_processor", "withdrawals", "payout_worker", "integrity"),
        *("tally", "spike_sweep", "differences", "provider_reconciler"),
    }
    assert {name for name, value in assets.items() if value is None} == {
        *("auth", "health", "ledger_guard", "webhooks", "webhook_sweep", "stellar_poller", "withdrawal_sweep"),
        *("reconciler", "reconciliation_planner", "watchdog", "alerts", "notifier"),
    }


def test_alerts_are_mailed_to_the_addresses_that_the_stage_has_for_their_priority(
    customized: Synthesis, production: Synthesis
) -> None:
    """Without an address the topics wait for other subscribers."""
    mailed = {
        (render(one["TopicArn"]), one["Endpoint"])
        for one in customized.properties("AWS::SNS::Subscription").values()
        if one["Protocol"] == "email"
    }

    assert mailed == {
        ("AlertsP0", "ops@example.com"),
        ("AlertsP0", "chief@example.com"),
        ("AlertsP2", "desk@example.com"),
    }
    assert {one["Protocol"] for one in production.properties("AWS::SNS::Subscription").values()} <= {"lambda"}


def test_every_topic_calls_the_notifier_and_nothing_else_does(synthesis: Synthesis, local: Synthesis) -> None:
    """It is told which priority each topic is of, and where the local cloud's sandbox stands in."""
    called = {
        (render(one["TopicArn"]), render(one["Endpoint"]))
        for one in synthesis.properties("AWS::SNS::Subscription").values()
    }
    permissions = [
        (render(one["SourceArn"]), render(one["FunctionName"]), one["Principal"])
        for name, one in synthesis.properties("AWS::Lambda::Permission").items()
        if "Notifier" in name
    ]
    expected = {(f"Alerts{priority}", "NotifierFunction.Arn") for priority in PRIORITIES}

    assert called == expected
    assert set(permissions) == {(*one, "sns.amazonaws.com") for one in expected}
    notifier = variables_of(synthesis, "notifier")
    for priority in PRIORITIES:
        assert render(notifier[f"TALLYSTICK_ALERTS_TOPIC_{priority}_ARN"]) == f"Alerts{priority}"
    told = json.loads(variables_of(local, "notifier")["TALLYSTICK_NOTIFIER"])
    assert told == {
        "slack": ["P0", "P1", "P2"],
        "pagerduty": ["P0", "P1"],
        "pagerduty_url": "http://127.0.0.1:4568/pagerduty",
    }


def test_severities_of_a_stage_reach_who_raises_alerts(customized: Synthesis, production: Synthesis) -> None:
    """Where it says nothing, the code's own count."""
    for name in ("webhook_processor", "ledger_guard", "watchdog"):
        told = variables_of(customized, name)["TALLYSTICK_ALERTS"]
        assert json.loads(told) == {"PAYOUT_FAILED": {"severity": "low"}}
        assert json.loads(variables_of(production, name)["TALLYSTICK_ALERTS"]) == {}


def test_the_watchdog_is_told_of_all_jobs_that_run(with_providers: Synthesis, production: Synthesis) -> None:
    """Not of the one that nobody calls where Stellar is not configured."""
    rules = with_providers.properties("AWS::Events::Rule")
    told = json.loads(variables_of(with_providers, "watchdog")["TALLYSTICK_JOBS"])

    assert told == {name: every_s for name, every_s in JOBS.items() if name != WATCHDOG} | {RECONCILIATION: 900}
    assert len(rules) == len(JOBS)
    without = json.loads(variables_of(production, "watchdog")["TALLYSTICK_JOBS"])
    assert set(told) - set(without) == {"stellar_poller"}


def test_every_function_has_its_code_in_the_repository() -> None:
    """What the stack deploys and what lies in functions/ is the same list."""
    folder = Path(__file__).resolve().parents[2] / "functions"

    assert {handler.parent.name for handler in folder.glob("*/handler.py")} == set(FUNCTIONS)


def variables_of(synthesis: Synthesis, name: str) -> dict[str, Any]:
    """Find the environment of a function."""
    variables: dict[str, Any] = synthesis.functions()[name]["Environment"]["Variables"]
    return variables
