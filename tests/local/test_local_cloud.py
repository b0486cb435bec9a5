"""`tallystick local`: what it starts, deploys, repairs and leaves behind."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner

from cli.local import assembly, cloud, deploy, repairs, server, tokens
from cli.local.assembly import Assembly, Asset
from cli.local.deployment import ACCOUNT, Deployment
from cli.local.errors import DeploymentFailed, NotRunning, PortUnavailable, StepFailed
from cli.local.home import PROJECT, Home
from cli.main import app
from cli.webhooks import keys, signers
from infra.routes import FUNCTIONS
from tallystick.adapters.providers.registry import seal
from tallystick.domain.callers import Role
from tallystick.domain.webhooks import Delivery, Provider
from tallystick.settings import ProviderSetting

BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{server.REGION}"
LARGEST = "9" * 38
CHANGED_CODE = 'def handler(event, context):\n    return {"statusCode": 299}\n'
# As /proc/net/tcp writes them.
LISTENING, LOOPBACK = "0A", "0100007F"

Repaired = tuple[Deployment, dict[str, str]]

requires_proc = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc")


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def group_of(pid: int) -> list[int]:
    """List the live processes that the cloud with that process id consists of."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state, _parent, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(group) == pid and state != "Z":
            found.append(int(entry.name))
    return found


def listening_addresses(pids: list[int]) -> set[str]:
    """Read which addresses those processes listen on, for IPv4 and IPv6."""
    handles = (handle for pid in pids for handle in Path(f"/proc/{pid}/fd").iterdir())
    opened = {str(handle.readlink()) for handle in handles if handle.is_symlink()}
    tables = (Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6"))
    rows = [line.split() for table in tables for line in table]
    return {row[1].partition(":")[0] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in opened}


def assembly_of(folder: Path, stack: str, template: dict[str, Any], *assets: Asset) -> Assembly:
    """Make an assembly of a template that no CDK application wrote."""
    file = folder / f"{stack}.json"
    file.write_text(json.dumps(template))
    key = f"{stack}-{time.monotonic_ns()}.json"
    return Assembly(stack, template, BUCKET, key, (*assets, Asset(file, BUCKET, key)))


def apply(deployment: Deployment, built: Assembly) -> dict[str, str]:
    deploy.upload(deployment, built, ACCOUNT, server.REGION)
    outputs = deploy.apply(deployment, built, ACCOUNT, server.REGION)
    repairs.after_deploy(deployment, built.stack, built.template)
    return outputs


# --- the address ---


def test_the_api_answers_at_a_plain_address(deployment: Deployment) -> None:
    answer = httpx.get(f"{deployment.base_url}/health", timeout=30)
    assert answer.status_code == 200
    assert deployment.outputs["ApiUrl"] == deployment.base_url


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl_needs_no_header(deployment: Deployment) -> None:
    command = ["curl", "--silent", "--noproxy", "*", "--write-out", "%{http_code}", "--output", os.devnull]
    done = subprocess.run([*command, f"{deployment.base_url}/health"], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "200"


@pytest.mark.parametrize("path", ["/_ministack/health", "/_aws/execute-api/x/y", "/restapis/x"])
def test_the_api_port_shows_nothing_of_the_emulator(deployment: Deployment, path: str) -> None:
    unknown, asked = (httpx.get(f"{deployment.base_url}{wanted}") for wanted in ("/nowhere", path))
    assert asked.status_code == unknown.status_code
    assert "services" not in asked.text


def test_calls_without_a_token_are_refused(deployment: Deployment) -> None:
    assert httpx.get(f"{deployment.base_url}/v1/wallets").status_code == 401


def test_a_webhook_of_nobody_is_not_found(deployment: Deployment) -> None:
    assert httpx.post(f"{deployment.base_url}/webhooks/nobody").status_code == 404


def test_a_duplicate_is_taken_with_the_rights_that_its_function_has(deployment: Deployment) -> None:
    """It has to read what stands there already; the event is one that nobody acts on."""
    body = b'{"event":"subscription.create","data":{"id":1}}'
    headers = signers.sign(Provider.PAYSTACK, body, keys.signing_key("paystack"), at_s=0, host="", path="")
    for _ in range(2):
        answer = httpx.post(f"{deployment.base_url}/webhooks/paystack", content=body, headers=headers, timeout=30)
        assert answer.status_code == 200


# --- the sandbox and its keys ---


def test_the_sandbox_is_where_the_functions_look_for_it(deployment: Deployment) -> None:
    configured = deployment.client("lambda").get_function_configuration(
        FunctionName=deployment.function_name("webhooks")
    )
    providers = json.loads(configured["Environment"]["Variables"]["TALLYSTICK_PROVIDERS"])
    assert providers["truelayer"]["jwks_url"] == f"{deployment.sandbox_url}/truelayer/.well-known/jwks"
    published = httpx.get(providers["truelayer"]["jwks_url"]).json()["keys"]
    assert published == keys.truelayer_jwks()["keys"]
    assert deployment.public_url == "https://wallet.example.test"


def test_the_sandbox_shows_nothing_of_the_emulator(deployment: Deployment) -> None:
    assert httpx.get(f"{deployment.sandbox_url}/_ministack/health").status_code == 404


def test_each_function_reads_its_own_secret(deployment: Deployment) -> None:
    filled = {"WebhookKeysSecret": keys.webhook_keys(), "ProviderKeysSecret": keys.provider_keys()}
    readers = {"webhooks": "WebhookKeysSecret", "webhook_processor": "ProviderKeysSecret"}
    for name, own in readers.items():
        secrets = deployment.acting_as(name).client("secretsmanager")
        for output, content in filled.items():
            if output == own:
                answer = secrets.get_secret_value(SecretId=deployment.outputs[output])
                assert json.loads(answer["SecretString"]) == content
            else:
                with pytest.raises(ClientError, match="AccessDenied"):
                    secrets.get_secret_value(SecretId=deployment.outputs[output])


@pytest.mark.parametrize("provider", Provider)
def test_what_the_local_keys_sign_is_genuine(provider: Provider) -> None:
    """The keys are derived, the same each time, and fit their providers' schemes."""
    setting = ProviderSetting(base_url="https://api.example", trusted_jku=[signers.TRUELAYER_JKU])
    body, host, path = b'{"id":1}', "wallet.example.test", f"/webhooks/{provider}"
    headers = signers.sign(provider, body, keys.signing_key(provider), at_s=1_767_225_600, host=host, path=path)
    lower = {name.lower(): value for name, value in headers.items()}
    delivery = Delivery(provider, host, path, lower, {}, body, "127.0.0.1", 1_767_225_600_000)
    published = [json.dumps(key) for key in keys.truelayer_jwks()["keys"]]
    seal(provider, setting).verify(delivery, keys.webhook_keys().get(provider, published))


# --- tokens ---


@pytest.mark.parametrize(("role", "groups"), [(Role.USER, None), (Role.SERVICE, ["SERVICE"]), (Role.ADMIN, ["ADMIN"])])
def test_a_token_carries_its_role_for_fifteen_minutes(
    deployment: Deployment, role: Role, groups: list[str] | None
) -> None:
    token = tokens.issue(deployment, role, f"{role.lower()}@example.com")
    claims = claims_of(token)
    assert claims["token_use"] == "access"
    assert claims.get("cognito:groups") == groups
    assert claims["exp"] - claims["iat"] == 15 * 60
    answer = httpx.get(f"{deployment.base_url}/v1/wallets", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code not in {401, 403}


def test_the_same_user_can_be_given_another_role(deployment: Deployment) -> None:
    first, second = (claims_of(tokens.issue(deployment, role, "eve@example.com")) for role in (Role.ADMIN, Role.USER))
    assert first["sub"] == second["sub"]
    assert "cognito:groups" not in second


# --- isolation ---


@requires_proc
def test_nothing_listens_beyond_this_machine(deployment: Deployment) -> None:
    httpx.get(f"{deployment.base_url}/health")
    processes = group_of(deployment.pid)
    assert len(processes) > 1
    assert listening_addresses(processes) == {LOOPBACK}


@requires_proc
def test_functions_inherit_nothing_of_the_callers_environment(deployment: Deployment) -> None:
    httpx.get(f"{deployment.base_url}/health")
    for pid in group_of(deployment.pid):
        names = {entry.partition("=")[0].upper() for entry in Path(f"/proc/{pid}/environ").read_text().split("\0")}
        assert not names & {"AWS_PROFILE", "AWS_CONFIG_FILE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "PYTHONPATH"}


def test_the_emulators_environment_is_made_from_scratch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere.example")
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    made = server.environment(Home(tmp_path), 1)
    assert not {"AWS_ENDPOINT_URL", "https_proxy"} & set(made)
    assert made["AUTH"] == "true"


# --- policies ---


def test_a_function_may_write_in_a_transaction_only(deployment: Deployment) -> None:
    table = deployment.outputs["TransfersTable"]
    write = {"TableName": table, "Item": {"transfer_key": {"S": "of-a-test"}}}
    dynamodb = deployment.acting_as("credit").client("dynamodb")
    with pytest.raises(ClientError, match="AccessDeniedException"):
        dynamodb.put_item(**write)
    dynamodb.transact_write_items(TransactItems=[{"Put": write}])
    with pytest.raises(ClientError, match="AccessDeniedException"):
        dynamodb.delete_item(TableName=table, Key=write["Item"])
    deployment.client("dynamodb").delete_item(TableName=table, Key=write["Item"])


def test_the_right_to_send_a_message_is_the_right_to_send_ten(deployment: Deployment) -> None:
    batch = {"QueueUrl": deployment.outputs["WebhookQueueUrl"], "Entries": []}
    with pytest.raises(ClientError, match="EmptyBatchRequest"):
        deployment.acting_as("webhook_sweep").client("sqs").send_message_batch(**batch)
    with pytest.raises(ClientError, match="AccessDenied"):
        deployment.acting_as("webhook_processor").client("sqs").send_message_batch(**batch)


# --- repairs ---


@pytest.fixture(scope="module")
def repaired(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repaired]:
    template = {
        "Resources": {
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                    "BillingMode": "PAY_PER_REQUEST",
                    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                    "TimeToLiveSpecification": {"AttributeName": "expires_at", "Enabled": True},
                },
            },
            "Api": {
                "Type": "AWS::ApiGatewayV2::Api",
                "Properties": {
                    "Name": "repaired",
                    "ProtocolType": "HTTP",
                    "CorsConfiguration": {"AllowOrigins": ["https://shop.example"], "AllowMethods": ["GET"]},
                },
            },
        },
        "Outputs": {"Table": {"Value": {"Ref": "Table"}}, "Api": {"Value": {"Ref": "Api"}}},
    }
    built = assembly_of(tmp_path_factory.mktemp("repaired"), "repaired", template)
    yield deployment, apply(deployment, built)
    deployment.client("cloudformation").delete_stack(StackName="repaired")


def test_recovery_and_expiry_are_on_as_declared(repaired: Repaired) -> None:
    deployment, outputs = repaired
    dynamodb = deployment.client("dynamodb")
    backups = dynamodb.describe_continuous_backups(TableName=outputs["Table"])["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    expiry = dynamodb.describe_time_to_live(TableName=outputs["Table"])["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


def test_cors_answers_as_declared(repaired: Repaired) -> None:
    deployment, outputs = repaired
    address = f"{deployment.endpoint_url}/_aws/execute-api/{outputs['Api']}/$default/x"
    allowed = httpx.options(address, headers={"origin": "https://shop.example", "access-control-request-method": "GET"})
    assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
    assert (
        "access-control-allow-origin" not in httpx.options(address, headers={"origin": "https://other.example"}).headers
    )


def test_sums_of_38_digits_are_exact(repaired: Repaired) -> None:
    deployment, outputs = repaired
    dynamodb = deployment.client("dynamodb")
    for amount in (LARGEST, "-1"):
        changed = dynamodb.update_item(
            TableName=outputs["Table"],
            Key={"id": {"S": "sum"}},
            UpdateExpression="ADD amount :more",
            ExpressionAttributeValues={":more": {"N": amount}},
            ReturnValues="ALL_NEW",
        )
    assert changed["Attributes"]["amount"]["N"] == str(int(LARGEST) - 1)


# --- indexes ---


def test_overdue_events_are_found_by_a_time_that_is_a_number(deployment: Deployment) -> None:
    """Compared as text, 900 would be later than 1000."""
    table, nobody = deployment.outputs["InboxTable"], {"S": "nobody"}
    items = [
        {"inbox_key": {"S": f"nobody-{due}"}, "open": nobody, "due_at_ms": {"N": str(due)}} for due in (900, 1000, 1001)
    ]
    for item in items:
        deployment.client("dynamodb").put_item(TableName=table, Item=item)
    found = (
        deployment.acting_as("webhook_sweep")
        .client("dynamodb")
        .query(
            TableName=table,
            IndexName="due-index",
            KeyConditionExpression="#open = :nobody AND due_at_ms <= :now",
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues={":nobody": nobody, ":now": {"N": "1000"}},
        )
    )
    assert found["Items"] == items[:2]
    for item in items:
        deployment.client("dynamodb").delete_item(TableName=table, Key={"inbox_key": item["inbox_key"]})


# --- updates ---


def test_a_second_up_changes_nothing(deployment: Deployment, local_home: Path) -> None:
    again = cloud.up(home=local_home)
    assert (again.base_url, again.pid, again.outputs) == (deployment.base_url, deployment.pid, deployment.outputs)
    assert "deploy" not in again.timings


def test_changed_code_is_updated_in_place(deployment: Deployment, tmp_path: Path) -> None:
    current = assembly.read(PROJECT / "build" / "assembly" / assembly.STAGE, deployment.sandbox_url)
    changed = deepcopy(current.template)
    handler = "functions.health.handler.handler"
    function = next(r for r in changed["Resources"].values() if r.get("Properties", {}).get("Handler") == handler)
    function["Properties"]["Code"] = {"S3Bucket": BUCKET, "S3Key": "changed.zip"}
    code = tmp_path / "changed.zip"
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("functions/health/handler.py", CHANGED_CODE)
    built = assembly_of(tmp_path, current.stack, changed, Asset(code, BUCKET, "changed.zip"))

    assert httpx.get(f"{deployment.base_url}/health").status_code == 200
    outputs = apply(deployment, built)
    assert httpx.get(f"{deployment.base_url}/health").status_code == 299
    assert outputs["TransfersTable"] == deployment.outputs["TransfersTable"]

    deploy.apply(deployment, current, ACCOUNT, server.REGION)
    assert httpx.get(f"{deployment.base_url}/health").status_code == 200


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("AWS::Nowhere::Thing", r"AWS::Nowhere::Thing"),
        (
            "AWS::Cognito::UserPoolResourceServer",
            r"Odd \(AWS::Cognito::UserPoolResourceServer\): UserPool none not found",
        ),
    ],
)
def test_a_refused_deployment_says_what_and_why(deployment: Deployment, tmp_path: Path, kind: str, reason: str) -> None:
    template = {
        "Resources": {"Odd": {"Type": kind, "Properties": {"UserPoolId": "none", "Identifier": "x", "Name": "x"}}}
    }
    built = assembly_of(tmp_path, "refused", template)
    deploy.upload(deployment, built, ACCOUNT, server.REGION)
    with pytest.raises(DeploymentFailed, match=reason):
        deploy.apply(deployment, built, ACCOUNT, server.REGION)
    deployment.client("cloudformation").delete_stack(StackName="refused")


# --- lives and deaths ---


@requires_proc
def test_down_leaves_nothing_and_up_survives_a_crash(tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", set(Path(tempfile.gettempdir()).iterdir())
    first = cloud.up(home=home, port=0)
    os.kill(first.pid, signal.SIGKILL)
    while server.is_running(Home(home)):
        time.sleep(0.01)
    assert not cloud.status(home=home).running
    with pytest.raises(NotRunning):
        cloud.attach(home=home)

    second = cloud.up(home=home, port=0)
    httpx.get(f"{second.base_url}/health", timeout=30)
    assert len(group_of(second.pid)) > 1
    assert cloud.down(home=home)
    assert group_of(first.pid) == group_of(second.pid) == []
    assert not home.exists()
    left = {path.name for path in set(Path(tempfile.gettempdir()).iterdir()) - temporary}
    assert not {name for name in left if "ministack" in name}
    assert not cloud.down(home=home)


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, StepFailed])
def test_an_interrupted_first_up_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, interruption: type[BaseException]
) -> None:
    def interrupt(*_: object) -> Assembly:
        raise interruption

    monkeypatch.setattr(assembly, "assemble", interrupt)
    with pytest.raises(interruption):
        cloud.up(home=tmp_path / "home", port=0)
    assert not (tmp_path / "home").exists()


def test_a_failing_build_shows_its_output(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "__init__.py").touch()
    (tmp_path / "infra" / "build.py").write_text('raise SystemExit("no compiler")')
    with pytest.raises(StepFailed, match="no compiler"):
        cloud.up(home=tmp_path / "home", project=tmp_path, port=0)


def test_a_taken_port_is_refused_when_asked_for_and_passed_over_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr(server, "DEFAULT_PORT", port)
        with pytest.raises(PortUnavailable, match=str(port)):
            server.choose_ports(port)
        ports = server.choose_ports(None)
    assert port < ports.api < ports.aws < ports.sandbox


def test_a_running_cloud_does_not_move(deployment: Deployment, local_home: Path) -> None:
    with pytest.raises(PortUnavailable, match=deployment.base_url.rpartition(":")[2]):
        cloud.up(home=local_home, port=4000)


# --- the commands ---


def test_the_commands_use_the_running_cloud(
    deployment: Deployment, local_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud, "DEFAULT_HOME", local_home)
    cli = CliRunner()
    up = cli.invoke(app, ["local", "up", "--json"])
    assert json.loads(up.stdout)["base_url"] == deployment.base_url
    assert json.loads(up.stdout)["credentials"] == deployment.access.credentials
    assert deployment.base_url in cli.invoke(app, ["local", "up"]).stdout
    shown = cli.invoke(app, ["local", "status"])
    assert shown.exit_code == 0
    assert deployment.base_url in shown.stdout
    told = json.loads(cli.invoke(app, ["local", "status", "--json"]).stdout)
    assert told["outputs"]["TransfersTable"] in told["tables"]
    assert len(told["functions"]) == len(FUNCTIONS)
    assert told["sandbox_url"] == deployment.sandbox_url
    assert deployment.sandbox_url in shown.stdout
    token = cli.invoke(app, ["local", "token", "--role", "service", "--email", "shop@example.com"]).stdout
    assert claims_of(token.strip())["cognito:groups"] == ["SERVICE"]


def test_the_commands_say_when_nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "DEFAULT_HOME", tmp_path / "home")
    cli = CliRunner()
    asked = cli.invoke(app, ["local", "status", "--json"])
    assert (asked.exit_code, json.loads(asked.stdout)) == (1, {"running": False})
    token = cli.invoke(app, ["local", "token", "--role", "USER", "--email", "ada@example.com"])
    assert token.exit_code == 1
    assert "tallystick local up" in token.stderr
    assert cli.invoke(app, ["local", "down"]).exit_code == 0
