"""Change what is deployed for a while: keys, a function's variables, the time of a scheduled run."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.local.deployment import Deployment
from cli.webhooks.keys import webhook_keys
from tallystick.domain.webhooks import Provider

if TYPE_CHECKING:
    from types_boto3_lambda import LambdaClient
    from types_boto3_secretsmanager import SecretsManagerClient


def run(deployment: Deployment, function: str) -> None:
    """Run a scheduled function now."""
    client: LambdaClient = deployment.client("lambda")
    answer = client.invoke(FunctionName=deployment.function_name(function), Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()


@contextmanager
def with_keys(deployment: Deployment, more: Mapping[Provider, list[str]]) -> Iterator[None]:
    """Let further keys be valid, as while they are rotated."""
    client: SecretsManagerClient = deployment.client("secretsmanager")
    secret_id, usual = deployment.outputs["WebhookKeysSecret"], webhook_keys()
    both = {name: [*usual.get(name, []), *more.get(Provider(name), [])] for name in Provider}
    client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(both))
    yield
    client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(usual))


@contextmanager
def with_environment(deployment: Deployment, function: str, **variables: str) -> Iterator[None]:
    """Give a function other variables; it starts anew with them, and once more without them."""
    client: LambdaClient = deployment.client("lambda")
    name, usual = deployment.function_name(function), variables_of(deployment, function)
    client.update_function_configuration(FunctionName=name, Environment={"Variables": {**usual, **variables}})
    yield
    client.update_function_configuration(FunctionName=name, Environment={"Variables": usual})


@contextmanager
def without_consumer(deployment: Deployment, function: str) -> Iterator[None]:
    """Let nobody take messages out of a function's queue."""
    client: LambdaClient = deployment.client("lambda")
    name = deployment.function_name(function)
    (mapping,) = client.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    yield
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


def variables_of(deployment: Deployment, function: str) -> dict[str, str]:
    """Read a function's variables."""
    client: LambdaClient = deployment.client("lambda")
    name = deployment.function_name(function)
    return client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
