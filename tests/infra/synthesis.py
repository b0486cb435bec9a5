"""Synthesize a stage and ask the result questions."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from aws_cdk import App

from infra import nag
from infra.app import file_context
from infra.routes import FUNCTIONS
from infra.stacks.tallystick import TallystickStack
from infra.stage import Stage, load_stage

STAGES = ("local", "staging", "production")


@dataclass(frozen=True)
class Synthesis:
    """Hold what a synthesis wrote."""

    folder: Path
    template: dict[str, Any]
    report: dict[str, Any]

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """Find the resources of a type by their names, which are their logical ids without the hash."""
        return {
            readable(logical_id): resource
            for logical_id, resource in self.template["Resources"].items()
            if resource["Type"] == kind
        }

    def properties(self, kind: str) -> dict[str, dict[str, Any]]:
        """Find the properties of the resources of a type by their names."""
        return {name: resource["Properties"] for name, resource in self.resources(kind).items()}

    def functions(self) -> dict[str, dict[str, Any]]:
        """Find the properties of each Lambda function by the name of its folder."""
        found = self.properties("AWS::Lambda::Function").values()
        return {properties["Handler"].split(".")[1]: properties for properties in found}


@cache
def stage_of(name: str) -> Stage:
    """Read the stage that cdk.json describes."""
    return load_stage(name, file_context()["stages"])


def synthesize(stage: Stage, folder: Path) -> Synthesis:
    """Synthesize with stand-ins for the built code, so that this needs no build."""
    app, stack = new_app(stage, folder)
    nag.acknowledge(stack, stage)
    nag.check(app)
    app.synth()
    return read(folder, stack.stack_name)


def new_app(stage: Stage, folder: Path) -> tuple[App, TallystickStack]:
    """Make the app of a stage, without nag."""
    app = App(context=file_context(), analytics_reporting=False, outdir=str(folder))
    return app, TallystickStack(app, stage=stage, artifacts=_stand_ins(folder.with_suffix(".artifacts")))


def read(folder: Path, stack_name: str) -> Synthesis:
    """Read what a synthesis wrote."""
    return Synthesis(
        folder,
        template=json.loads((folder / f"{stack_name}.template.json").read_text(encoding="utf-8")),
        report=json.loads((folder / "validation-report.json").read_text(encoding="utf-8")),
    )


def findings(report: dict[str, Any]) -> Iterator[nag.Finding]:
    """List what a validation report complains about, with paths relative to the stack."""
    for pack in report["pluginReports"]:
        for violation in pack["violations"]:
            for construct in violation["violatingConstructs"]:
                yield nag.Finding(construct["constructPath"].partition("/")[2], violation["ruleName"])


def readable(logical_id: str) -> str:
    """Drop the hash that the CDK appends to a logical id."""
    return re.sub(r"[0-9A-F]{8}$", "", logical_id)


def render(value: object) -> str:
    """Write a template's value as text: references become the name of what they refer to."""
    match value:
        case str():
            return value
        case {"Ref": str(logical_id)}:
            return readable(logical_id)
        case {"Fn::GetAtt": [str(logical_id), str(attribute)]}:
            return f"{readable(logical_id)}.{attribute}"
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(map(render, parts))
        case _:
            raise AssertionError(f"Unexpected in a template: {value!r}")


def _stand_ins(folder: Path) -> Path:
    for name in ("dependencies", "tallystick", *(f"functions/{name}" for name in FUNCTIONS)):
        archive = folder / f"{name}.zip"
        archive.parent.mkdir(parents=True, exist_ok=True)
        archive.write_text(name, encoding="utf-8")
    return folder
