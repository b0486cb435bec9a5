"""Wrap the two built layers: third-party packages, and our own."""

from pathlib import Path

from aws_cdk.aws_lambda import Code, LayerVersion
from constructs import Construct

from infra.constructs.function import RUNTIME, architecture
from infra.stage import Stage

_DESCRIPTIONS = {
    "dependencies": "Third-party packages, compiled, and stripped to what is used",
    "tallystick": "The ledger: domain, services and adapters",
}


class Layers(Construct):
    """Hold the layers that every function takes."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, artifacts: Path) -> None:
        super().__init__(scope, construct_id)
        self.versions = [
            LayerVersion(
                self,
                name.title(),
                code=Code.from_asset(str(artifacts / f"{name}.zip")),
                description=description,
                compatible_runtimes=[RUNTIME],
                compatible_architectures=[architecture(stage)],
            )
            for name, description in _DESCRIPTIONS.items()
        ]
