"""Create a Lambda function: the one place that knows runtime, memory, logs, tracing, roles and alarms."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Duration
from aws_cdk.aws_iam import PolicyStatement, Role, ServicePrincipal
from aws_cdk.aws_lambda import Architecture, Code, Function, ILayerVersion, LoggingFormat, Runtime, Tracing
from constructs import Construct

from infra.constructs.alerts import ALARM_PERIOD, Alerts
from infra.constructs.environment import Environment
from infra.constructs.logs import log_group
from infra.stage import Stage

RUNTIME = Runtime.PYTHON_3_13
MEMORY_MB = 1024
TIMEOUT = Duration.seconds(10)
LONG_TIMEOUT = Duration.seconds(28)


def architecture(stage: Stage) -> Architecture:
    """Choose Graviton on AWS, and locally the machine that the layer was built for."""
    if stage.is_local and platform.machine() not in {"arm64", "aarch64"}:
        return Architecture.X86_64
    return Architecture.ARM_64


@dataclass(frozen=True)
class Platform:
    """Gather what all functions of a stage share."""

    stage: Stage
    artifacts: Path
    layers: Sequence[ILayerVersion]
    environment: Environment
    alerts: Alerts


class PythonFunction(Construct):
    """Run `functions/<name>/handler.py` with a role, a log group and an alarm of its own."""

    def __init__(
        self, scope: Construct, name: str, *, platform: Platform, description: str, timeout: Duration = TIMEOUT
    ) -> None:
        super().__init__(scope, construct_id_of(name))
        stage = platform.stage
        self.role = Role(self, "Role", assumed_by=ServicePrincipal("lambda.amazonaws.com"))
        logs = log_group(self, stage=stage)
        logs.grant_write(self.role)
        self.function = Function(
            self,
            "Function",
            description=f"Tallystick {stage.name}: {description}",
            runtime=RUNTIME,
            architecture=architecture(stage),
            code=Code.from_asset(str(platform.artifacts / "functions" / f"{name}.zip")),
            handler=f"functions.{name}.handler.handler",
            layers=platform.layers,
            role=self.role,
            memory_size=MEMORY_MB,
            timeout=timeout,
            reserved_concurrent_executions=stage.reserved_concurrency.get(name),
            log_group=logs,
            logging_format=LoggingFormat.JSON,
            tracing=Tracing.ACTIVE,
            environment=platform.environment.of(name),
        )
        platform.alerts.alarm(
            self,
            "Errors",
            metric=self.function.metric_errors(period=ALARM_PERIOD),
            description=f"{name} crashed: its handler answers every error that it knows.",
        )

    def allow(
        self, *actions: str, on: Sequence[str], when: Mapping[str, Mapping[str, str | Sequence[str]]] | None = None
    ) -> None:
        """Grant the actions on exactly these resources."""
        self.role.add_to_policy(PolicyStatement(actions=list(actions), resources=on, conditions=when))


def construct_id_of(name: str) -> str:
    """Turn a function's name into the id of its construct: `ledger_guard` is `LedgerGuard`."""
    return name.title().replace("_", "")
