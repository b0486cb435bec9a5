"""What all functions have in common, and the settings each of them gets."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.app import file_context
from infra.artifacts.target import AWS
from infra.routes import FUNCTIONS
from infra.stage import load_stage
from tests.infra.synthesis import Synthesis, readable, render, stage_of, synthesize

COMMON = {
    "TALLYSTICK_STAGE",
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_LOG_LEVEL",
    "POWERTOOLS_METRICS_NAMESPACE",
}
ACCOUNTS, ENTRIES, TRANSFERS = (f"TALLYSTICK_{table}_TABLE" for table in ("ACCOUNTS", "ENTRIES", "TRANSFERS"))
POSTING = {ACCOUNTS, ENTRIES, TRANSFERS, "TALLYSTICK_SERVICE_LIMITS"}
SETTINGS = {
    "wallets": {ACCOUNTS},
    "credit": POSTING,
    "debit": POSTING,
    "transfers": POSTING,
    "statements": {ACCOUNTS, ENTRIES},
    "auth": {"TALLYSTICK_USER_POOL_CLIENT_ID"},
    "health": {ACCOUNTS, ENTRIES, TRANSFERS},
    "docs": set[str](),
    "ledger_guard": {"TALLYSTICK_ALERTS_TOPIC_ARN"},
}


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
    """API Gateway answers 503 after 30 seconds, whatever the function does."""
    for function in synthesis.functions().values():
        layers = [readable(layer["Ref"]) for layer in function["Layers"]]
        assert layers == ["LayersDependencies", "LayersTallystick"]
        assert 0 < function["Timeout"] < 30
        assert "ReservedConcurrentExecutions" not in function


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_get_only_the_settings_they_read(production: Synthesis, name: str) -> None:
    """A setting that is not read is a promise that is not kept."""
    variables = production.functions()[name]["Environment"]["Variables"]

    assert set(variables) == COMMON | SETTINGS[name]
    assert variables["POWERTOOLS_SERVICE_NAME"] == name
    assert variables["TALLYSTICK_STAGE"] == "production"


def test_settings_point_at_the_tables(production: Synthesis) -> None:
    """Two table names mixed up would pass every other check here."""
    variables = production.functions()["transfers"]["Environment"]["Variables"]

    assert render(variables[ACCOUNTS]) == "DataAccounts"
    assert render(variables[ENTRIES]) == "DataEntries"
    assert render(variables[TRANSFERS]) == "DataTransfers"
    assert json.loads(variables["TALLYSTICK_SERVICE_LIMITS"]) == stage_of("production").service_limits


@pytest.fixture(scope="module")
def customized(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    """Synthesize a staging that uses every optional setting."""
    settings = {
        **file_context()["stages"]["staging"],
        "alarm_email": "ops@example.com",
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

    own = '{"GLD": {"scale": 3, "kind": "metal"}}'
    assert {name for name, value in assets.items() if value == own} == {
        *("wallets", "credit", "debit", "transfers", "statements", "docs")
    }
    assert {name for name, value in assets.items() if value is None} == {"auth", "health", "ledger_guard"}


def test_alerts_are_mailed_when_the_stage_has_an_address(customized: Synthesis, production: Synthesis) -> None:
    """Without an address the topic waits for other subscribers."""
    (subscription,) = customized.properties("AWS::SNS::Subscription").values()

    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "ops@example.com")
    assert production.resources("AWS::SNS::Subscription") == {}


def test_every_function_has_its_code_in_the_repository() -> None:
    """What the stack deploys and what lies in functions/ is the same list."""
    folder = Path(__file__).resolve().parents[2] / "functions"

    assert {handler.parent.name for handler in folder.glob("*/handler.py")} == set(FUNCTIONS)
