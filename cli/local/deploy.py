"""Deploy a cloud assembly to the emulator: assets to S3, the template through CloudFormation."""

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from cli.local.assembly import Assembly, Asset
from cli.local.errors import DeploymentFailed
from cli.local.repairs import Clients

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient

DEPLOY_TIMEOUT_S = 120.0
CAPABILITIES: Any = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]


def upload(clients: Clients, assembly: Assembly, account: str, region: str) -> None:
    """Put the assets that are not there yet; their keys are hashes of their contents."""
    s3 = clients.client("s3")
    for bucket in {_concrete(asset.bucket, account, region) for asset in assembly.assets}:
        s3.create_bucket(Bucket=bucket)
        present = {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}
        for asset in assembly.assets:
            if asset.key not in present:
                s3.put_object(Bucket=bucket, Key=asset.key, Body=_content(assembly, asset))


def _content(assembly: Assembly, asset: Asset) -> bytes:
    """Read an asset; the template names this cloud's sandbox, its file does not."""
    if asset.key == assembly.template_key:
        return json.dumps(assembly.template).encode()
    return asset.source.read_bytes()


def apply(clients: Clients, assembly: Assembly, account: str, region: str) -> dict[str, str]:
    """Create or update the stack and return its outputs; raises DeploymentFailed with CloudFormation's reasons."""
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
