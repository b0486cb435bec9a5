"""The application as a whole: its outputs, what it assumes, and how it is started."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.infra.synthesis import Synthesis, render

ROOT = Path(__file__).resolve().parents[2]


def test_outputs_name_what_a_client_and_an_operator_need(synthesis: Synthesis) -> None:
    """The local cloud and the tests read them by these names."""
    outputs = {name: render(output["Value"]) for name, output in synthesis.template["Outputs"].items()}
    outputs.pop("PublicUrl")

    assert outputs == {
        "ApiUrl": "ApiHttp.ApiEndpoint",
        "ApiId": "ApiHttp",
        "UserPoolId": "IdentityUsers",
        "UserPoolClientId": "IdentityUsersClient",
        "AccountsTable": "DataAccounts",
        "EntriesTable": "DataEntries",
        "TransfersTable": "DataTransfers",
        "FlowsTable": "DataFlows",
        "InboxTable": "DataInbox",
        "AuditTable": "DataAudit",
        "OperationsTable": "DataOperations",
        "WebhookQueueUrl": "WebhookQueueEvents",
        "WebhookDeadLetterQueueUrl": "WebhookQueueDeadLetters",
        "PayoutQueueUrl": "PayoutQueueEvents",
        "PayoutDeadLetterQueueUrl": "PayoutQueueDeadLetters",
        "ReconciliationQueueUrl": "ReconciliationQueueEvents",
        "ReconciliationDeadLetterQueueUrl": "ReconciliationQueueDeadLetters",
        "WebhookKeysSecret": "SecretsWebhookKeys.Id",
        "ProviderKeysSecret": "SecretsProviderKeys.Id",
        "NotifierKeysSecret": "SecretsNotifierKeys.Id",
        "AlertsTopicP0Arn": "AlertsP0",
        "AlertsTopicP1Arn": "AlertsP1",
        "AlertsTopicP2Arn": "AlertsP2",
    }


def test_providers_are_told_the_stage_s_address_or_the_api_s_own(local: Synthesis, production: Synthesis) -> None:
    """What follows it in their settings is `/webhooks/<provider>`."""
    assert local.template["Outputs"]["PublicUrl"]["Value"] == "https://wallet.example.test"
    assert render(production.template["Outputs"]["PublicUrl"]["Value"]) == "ApiHttp.ApiEndpoint"


def test_synthesis_asks_no_aws_account_anything(synthesis: Synthesis) -> None:
    """The same template deploys to any account and region."""
    manifest = json.loads((synthesis.folder / "manifest.json").read_text(encoding="utf-8"))
    (stack,) = [item for item in manifest["artifacts"].values() if item["type"] == "aws:cloudformation:stack"]

    assert stack["environment"] == "aws://unknown-account/unknown-region"
    assert "missing" not in manifest
    assert "Parameters" not in synthesis.template


def test_only_production_is_protected_from_termination(production: Synthesis, local: Synthesis) -> None:
    """A local cloud has to go away when asked."""
    assert terminates_only_on_purpose(production)
    assert not terminates_only_on_purpose(local)


def test_the_file_alone_synthesizes(tmp_path: Path) -> None:
    """Without the CDK's CLI, and without any node but the one that pip installed."""
    done = start_app(tmp_path, stage="local")

    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "Tallystick-local.template.json").read_text(encoding="utf-8"))
    assert "ApiUrl" in template["Outputs"]


def test_what_is_wrong_is_said_without_a_traceback(tmp_path: Path) -> None:
    """It is the reader's configuration, and not the program, that is at fault."""
    done = start_app(tmp_path, stage="nowhere")

    assert done.returncode == 1
    assert done.stderr == "Stage 'nowhere' is not in the context's `stages` (local, staging, production).\n"


def start_app(folder: Path, *, stage: str) -> subprocess.CompletedProcess[str]:
    """Run the app's file with nothing on the path."""
    environment = {name: value for name, value in os.environ.items() if name != "JSII_NODE"}
    environment |= {
        "CDK_CONTEXT_JSON": json.dumps({"stage": stage}),
        "CDK_OUTDIR": str(folder),
        "PATH": str(folder / "nowhere"),
    }
    command = [sys.executable, "infra/app.py"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603


def terminates_only_on_purpose(synthesis: Synthesis) -> bool:
    """Tell whether the stack has termination protection."""
    manifest = json.loads((synthesis.folder / "manifest.json").read_text(encoding="utf-8"))
    stacks = [item for item in manifest["artifacts"].values() if item["type"] == "aws:cloudformation:stack"]
    return all(stack["properties"].get("terminationProtection", False) for stack in stacks)
