"""Deploy a cloud assembly to the emulator: assets to S3, the template through CloudFormation."""

import time
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cli.local.assembly import Assembly, Asset
from cli.local.errors import DeploymentFailed
from cli.local.repairs import Clients

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

DEPLOY_TIMEOUT_S = 120.0
CAPABILITIES: Any = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
BOOTSTRAP_VERSION = "30"


def upload(clients: Clients, assembly: Assembly, account: str, region: str) -> None:
    """Put the assets that are not there yet; their keys are hashes of their contents."""
    s3 = clients.client("s3")
    for bucket in {_concrete(asset.bucket, account, region) for asset in assembly.assets}:
        s3.create_bucket(Bucket=bucket)
        present = {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
        for asset in assembly.assets:
            if asset.key not in present:
                s3.put_object(Bucket=bucket, Key=asset.key, Body=_contents(asset))


def apply(clients: Clients, assembly: Assembly, account: str, region: str) -> dict[str, str]:
    """Create or update the stack and return its outputs; raises DeploymentFailed with CloudFormation's reasons."""
    _pretend_bootstrapped(clients, assembly)
    cloudformation: CloudFormationClient = clients.client("cloudformation")
    bucket = _concrete(assembly.template_bucket, account, region)
    url = f"{cloudformation.meta.endpoint_url}/{bucket}/{assembly.template_key}"
    try:
        _create_or_update(cloudformation, assembly.stack, url)
    except ClientError as error:
        raise DeploymentFailed(str(error)) from None
    return _outputs(cloudformation, assembly.stack)


def _create_or_update(cloudformation: "CloudFormationClient", stack: str, url: str) -> None:
    if _status(cloudformation, stack) is None:
        cloudformation.create_stack(StackName=stack, TemplateURL=url, Capabilities=CAPABILITIES)
        _wait(cloudformation, stack, "CREATE_COMPLETE")
    elif _begin_update(cloudformation, stack, url):
        _wait(cloudformation, stack, "UPDATE_COMPLETE")


def _pretend_bootstrapped(clients: Clients, assembly: Assembly) -> None:
    """Set what `cdk bootstrap` leaves in an account: a template reads its version."""
    parameter = assembly.template.get("Parameters", {}).get("BootstrapVersion")
    if parameter:
        clients.client("ssm").put_parameter(
            Name=parameter["Default"], Value=BOOTSTRAP_VERSION, Type="String", Overwrite=True
        )


def _begin_update(cloudformation: "CloudFormationClient", stack: str, url: str) -> bool:
    """Start an update; False when the template says nothing new."""
    try:
        cloudformation.update_stack(StackName=stack, TemplateURL=url, Capabilities=CAPABILITIES)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return False
        raise
    return True


def _wait(cloudformation: "CloudFormationClient", stack: str, wanted: str) -> None:
    deadline = time.monotonic() + DEPLOY_TIMEOUT_S
    while time.monotonic() < deadline:
        status = _status(cloudformation, stack) or "gone"
        if status == wanted:
            return
        if not status.endswith("IN_PROGRESS"):
            raise DeploymentFailed("\n".join([f"{stack} is {status}:", *_reasons(cloudformation, stack)]))
        time.sleep(0.1)
    raise DeploymentFailed(f"{stack} did not become {wanted} within {DEPLOY_TIMEOUT_S:.0f} s.")


def _status(cloudformation: "CloudFormationClient", stack: str) -> str | None:
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _reasons(cloudformation: "CloudFormationClient", stack: str) -> list[str]:
    """List the resources that failed, the first failure first."""
    events: list[Mapping[str, Any]] = [*cloudformation.describe_stack_events(StackName=stack)["StackEvents"]]
    return [
        f"  {event['LogicalResourceId']} ({event['ResourceType']}): {event.get('ResourceStatusReason', 'no reason')}"
        for event in reversed(events)
        if event["ResourceStatus"].endswith("FAILED")
    ]


def _outputs(cloudformation: "CloudFormationClient", stack: str) -> dict[str, str]:
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}


def _concrete(name: str, account: str, region: str) -> str:
    return name.replace("${AWS::AccountId}", account).replace("${AWS::Region}", region)


def _contents(asset: Asset) -> bytes:
    return _zip(asset.source) if asset.zipped else asset.source.read_bytes()


def _zip(folder: Path) -> bytes:
    """Pack without compressing: it only travels within this machine, and is unpacked at every cold start."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", strict_timestamps=False) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return buffer.getvalue()
