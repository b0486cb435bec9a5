"""Repair what the emulator (MiniStack 1.5.33) is known to do differently from AWS; the one place for it.

Each repair says what is wrong without it. Remove it when the emulator no longer needs it: the tests in
tests/local fail when one is missing, not when one is superfluous.
"""

import decimal
import hashlib
import sys
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

DYNAMODB_DIGITS = 38

# SQS has no rights of their own for them ("Amazon SQS API permissions: actions and resource reference").
_BATCHES = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}


class Clients(Protocol):
    """Where the repairs get their AWS clients from."""

    def client(self, service: str) -> Any:  # noqa: ANN401 - the variable's annotation names the client
        """Make a client of that service with administrator's rights."""


def before_start() -> None:
    """Repair the emulator's process before it starts a thread."""
    _count_as_dynamodb_does()
    _run_functions_without_our_packages()
    _unpack_once()
    _take_this_machine_for_tls()
    _allow_batches_with_single_calls()


def after_deploy(clients: Clients, stack: str, template: Mapping[str, Any]) -> None:
    """Apply what CloudFormation left out."""
    resources = template["Resources"]
    physical = {
        entry["LogicalResourceId"]: entry["PhysicalResourceId"]
        for entry in clients.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    }
    for logical_id, resource in resources.items():
        repair = _AFTER_DEPLOY.get(resource["Type"])
        if repair:
            repair(clients, physical[logical_id], resource.get("Properties", {}))


def _count_as_dynamodb_does() -> None:
    """Add with 38 digits: Python's 28 would round the sum of two large balances."""
    decimal.DefaultContext.prec = DYNAMODB_DIGITS
    decimal.getcontext().prec = DYNAMODB_DIGITS


def _run_functions_without_our_packages() -> None:
    """Start functions with the interpreter outside of this virtual environment.

    Inside of it they would find every development package, and a package that is missing in the layer would be
    missed on AWS only.
    """
    from ministack.core import lambda_runtime

    bare = getattr(sys, "_base_executable", sys.executable)

    original = lambda_runtime._detect_runtime_binary  # noqa: SLF001 - there is no setting for it

    def detect(runtime: str) -> tuple[str, str]:
        binary, script = original(runtime)
        return (bare if binary == sys.executable else binary), script

    lambda_runtime._detect_runtime_binary = detect  # noqa: SLF001


def _unpack_once() -> None:
    """Let the processes of all functions share one copy of a layer.

    The emulator unpacks every layer for every process it starts, half a second and 40 MB each time, in the process
    that should answer requests meanwhile. On AWS layers and code are read-only, so sharing them changes nothing.
    """
    from ministack.core import lambda_runtime

    # The name of an error that the emulator has wrong hides what went wrong.
    mended = {"ZipFile": _UnpackedOnce, "LargeFileError": zipfile.LargeZipFile}
    lambda_runtime.zipfile = SimpleNamespace(**vars(zipfile) | mended)


class _UnpackedOnce(zipfile.ZipFile):
    """An archive that is unpacked the first time only; later it is linked to."""

    # Not `_lock`: an archive has one of that name for itself.
    _unpacking = threading.Lock()

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:  # noqa: ANN401
        """Put a link to the unpacked archive in the place of the empty folder `path`."""
        wanted = Path(path)
        shared = wanted.parent.parent / f"unpacked-{self._digest()}"
        with self._unpacking:
            if not shared.exists():
                super().extractall(wanted, members, pwd)
                wanted.rename(shared)
                wanted.mkdir()
        wanted.rmdir()
        wanted.symlink_to(shared)

    def _digest(self) -> str:
        """Tell archives apart by the names, sizes and checksums of what is in them."""
        contents = [(member.filename, member.file_size, member.CRC) for member in self.infolist()]
        return hashlib.sha256(repr(contents).encode()).hexdigest()[:32]


def _take_this_machine_for_tls() -> None:
    """Count plain HTTP as TLS where a policy asks for it: it does not leave this machine, and there is nothing else.

    Without it topics and queues that refuse calls without TLS refuse every call.
    """
    from ministack import app
    from ministack.core import iam_evaluator

    app.pin_request_origin = lambda ip, _secure: iam_evaluator.pin_request_origin(ip, secure_transport=True)


def _allow_batches_with_single_calls() -> None:
    """Ask for the right to send a message when ten are sent at once.

    Without it a function that may send messages is refused to send a batch of them.
    """
    from ministack.core import iam_actions

    original = iam_actions.extract_iam_action

    def extract(*args: Any, **options: Any) -> str | None:  # noqa: ANN401 - whatever the original takes
        action = original(*args, **options)
        return _BATCHES.get(action, action) if action else None

    iam_actions.extract_iam_action = extract


def _repair_table(clients: Clients, name: str, properties: Mapping[str, Any]) -> None:
    """Turn on point-in-time recovery and expiry, which CloudFormation drops."""
    dynamodb = clients.client("dynamodb")
    recovery = properties.get("PointInTimeRecoverySpecification")
    if recovery:
        dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    expiry = properties.get("TimeToLiveSpecification")
    if expiry and "AttributeName" not in dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]:
        dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=expiry)


def _repair_api(clients: Clients, api_id: str, properties: Mapping[str, Any]) -> None:
    """Set CORS again: CloudFormation stores it under names that the emulator's gateway does not read."""
    cors = properties.get("CorsConfiguration")
    if cors:
        clients.client("apigatewayv2").update_api(ApiId=api_id, CorsConfiguration=cors)


_AFTER_DEPLOY = {"AWS::DynamoDB::Table": _repair_table, "AWS::ApiGatewayV2::Api": _repair_api}
