"""Build the functions and synthesize the CDK application for the stage `local`."""

import hashlib
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cli.local.errors import StepFailed
from cli.local.home import locked
from cli.progress import Steps

STAGE = "local"

# Stands in the template for the address of the sandbox, so that one synthesis serves clouds on any ports.
SANDBOX_URL = "http://sandbox.invalid"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file that the template refers to, and where in S3 it expects it; folders are zipped when they are built."""

    source: Path
    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class Assembly:
    """A synthesized stack: its template and assets."""

    stack: str
    template: dict[str, Any]
    template_bucket: str
    template_key: str
    assets: tuple[Asset, ...]


def assemble(project: Path, sandbox_url: str, steps: Steps) -> Assembly:
    """Build and synthesize what has changed since the last time; raises StepFailed."""
    folder = project / "build" / "assembly" / STAGE
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        with steps.step("build"):
            _run([sys.executable, "-m", "infra.build", "--target", STAGE], project, {})
        with steps.step("synthesize"):
            _synthesize(project, folder)
        return read(folder, sandbox_url)


def read(folder: Path, sandbox_url: str) -> Assembly:
    """Read the one stack of a cloud assembly, for a cloud that has its sandbox there."""
    artifacts = json.loads((folder / "manifest.json").read_text())["artifacts"]
    name, stack = next(item for item in artifacts.items() if item[1]["type"] == "aws:cloudformation:stack")
    properties = stack["properties"]
    assets = tuple(
        asset
        for artifact in artifacts.values()
        if artifact["type"] == "cdk:asset-manifest"
        for asset in _assets(folder, artifact["properties"]["file"])
    )
    bucket, _, key = properties["stackTemplateAssetObjectUrl"].removeprefix("s3://").partition("/")
    template = json.loads((folder / properties["templateFile"]).read_text().replace(SANDBOX_URL, sandbox_url))
    return Assembly(properties.get("stackName", name), template, bucket, key, assets)


def _assets(folder: Path, manifest: str) -> Iterator[Asset]:
    for file in json.loads((folder / manifest).read_text())["files"].values():
        for destination in file["destinations"].values():
            yield Asset(
                source=folder / file["source"]["path"],
                bucket=destination["bucketName"],
                key=destination["objectKey"],
            )


def _synthesize(project: Path, folder: Path) -> None:
    context = json.dumps({"stage": STAGE, "sandbox_url": SANDBOX_URL})
    stamp, digest = folder / "inputs.sha256", _inputs_digest(project, context)
    if stamp.exists() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    variables = {"CDK_CONTEXT_JSON": context, "CDK_OUTDIR": str(folder)}
    _run([sys.executable, "infra/app.py"], project, variables)
    stamp.write_text(digest)


def _inputs_digest(project: Path, context: str) -> str:
    """Sum up all that a synthesis reads; built files by size and time, since a build leaves unchanged ones alone."""
    digest = hashlib.sha256(f"{sys.version} {importlib.metadata.version('aws-cdk-lib')} {context}".encode())
    for path in (project / "cdk.json", *sorted((project / "infra").rglob("*.py"))):
        digest.update(f"\n{path} ".encode() + path.read_bytes())
    for path in sorted((project / "build" / STAGE).rglob("[!.]*")):
        facts = path.stat()
        if path.is_file():
            digest.update(f"\n{path} {facts.st_size} {facts.st_mtime_ns}".encode())
    return digest.hexdigest()


def _run(command: list[str], project: Path, extra: dict[str, str]) -> None:
    """Run one step outside of any AWS configuration; raises StepFailed with the end of its output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    scratch = TemporaryDirectory(prefix="tallystick-", ignore_cleanup_errors=True)
    with (
        scratch,
        subprocess.Popen(  # noqa: S603 - our own commands
            command,
            cwd=project,
            env=clean | extra | {"TMPDIR": scratch.name},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            output, _ = process.communicate()
        except BaseException:
            # With the group dies the CDK's node, which would outlive its parent.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise StepFailed("\n".join([f"`{' '.join(command[1:])}` failed:", *output.strip().splitlines()[-25:]]))
