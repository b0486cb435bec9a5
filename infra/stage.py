"""Read the configuration of a stage from the CDK context, reporting every mistake in it at once."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from infra.routes import FUNCTIONS

StageName = Literal["local", "staging", "production"]
Origin = Annotated[str, Field(pattern=r"^https?://[^/*\s]+$")]
AssetCode = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{1,11}$")]
DecimalText = Annotated[str, Field(pattern=r"^[0-9]{1,38}(\.[0-9]{1,18})?$")]


def _known_function(name: str) -> str:
    if name not in FUNCTIONS:
        raise ValueError(f"no function of that name; there are {', '.join(FUNCTIONS)}")
    return name


FunctionName = Annotated[str, AfterValidator(_known_function)]


class StageError(ValueError):
    """Report all that is wrong with a stage's configuration."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Throttle(_Strict):
    """Bound what the API lets through, over all callers together."""

    rate_per_s: Annotated[int, Field(gt=0)]
    burst: Annotated[int, Field(gt=0)]


class AssetSettings(_Strict):
    """Describe an asset that the stage has beside, or instead of, the built-in ones."""

    scale: Annotated[int, Field(ge=0, le=18)]
    kind: str


class Stage(_Strict):
    """Hold what differs between one stage and another; what protects data follows from the name alone."""

    name: StageName
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    log_retention_days: Literal[1, 7, 14, 30, 90, 365]
    throttle: Throttle
    cors_origins: list[Origin]
    service_limits: dict[AssetCode, DecimalText]
    assets: dict[AssetCode, AssetSettings] | None = None
    alarm_email: Annotated[str, Field(pattern=r"^[^@/\s]+@[^@/\s]+$")] | None = None
    reserved_concurrency: dict[FunctionName, Annotated[int, Field(gt=0)]] = {}

    @property
    def is_local(self) -> bool:
        """Tell whether the stage runs on this machine instead of on AWS."""
        return self.name == "local"

    @property
    def keeps_data(self) -> bool:
        """Tell whether tables, users and logs must outlive the stack."""
        return self.name == "production"


def load_stage(name: object, stages: object) -> Stage:
    """Pick the stage of that name out of the context and check it.

    Raises:
        StageError: the stage is unknown, or its configuration has mistakes; all of them are named.
    """
    if not isinstance(stages, dict) or not isinstance(stages.get(name), dict):
        known = ", ".join(stages) if isinstance(stages, dict) else "none"
        raise StageError(f"Stage {name!r} is not in the context's `stages` ({known}).")
    try:
        return Stage.model_validate({"name": name, **stages[name]})
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise StageError("\n".join([f"Stage {name!r} is misconfigured:", *lines])) from error
