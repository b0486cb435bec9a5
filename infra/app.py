"""Synthesize Tallystick for one stage: `cdk synth -c stage=staging`, or this file alone, without the CDK's CLI."""

import json
import sys
from pathlib import Path
from typing import Any

from infra.node import use_bundled_node

use_bundled_node()

from aws_cdk import App  # noqa: E402

from infra import nag  # noqa: E402
from infra.artifacts.target import AWS, LOCAL, BuildError  # noqa: E402
from infra.build import build  # noqa: E402
from infra.stacks.tallystick import TallystickStack  # noqa: E402
from infra.stage import DEFAULT_SANDBOX_URL, StageError, load_stage  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


def file_context() -> dict[str, Any]:
    """Read the context of cdk.json, which only the CDK's CLI would pass on."""
    context: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return context


def main() -> None:
    """Build what is out of date and synthesize the stage that the context names."""
    app = App(context=file_context(), analytics_reporting=False)
    stage = load_stage(
        app.node.try_get_context("stage") or "staging",
        app.node.try_get_context("stages"),
        app.node.try_get_context("sandbox_url") or DEFAULT_SANDBOX_URL,
    )
    target = LOCAL if stage.is_local else AWS
    stack = TallystickStack(app, stage=stage, artifacts=build(target))
    nag.acknowledge(stack, stage)
    nag.check(app)
    app.synth()


if __name__ == "__main__":
    try:
        main()
    except (BuildError, StageError) as error:
        sys.exit(str(error))
