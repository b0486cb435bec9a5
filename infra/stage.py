"""Read the configuration of a stage from the CDK context, reporting every mistake in it at once."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError, ValidationInfo, field_validator

from infra.provider import ProviderName, ProviderSettings, Rest, Url, locate_sandbox, rest_of
from infra.routes import FUNCTIONS, JOBS, RECONCILIATION, WATCHDOG

DEFAULT_SANDBOX_URL: Final = "http://127.0.0.1:4568"

PROCESSOR_TIMEOUT_S: Final = 60
# AWS asks for six times: a batch may wait for the function as often as that and is not handed to a second one.
SAFE_VISIBILITY_S: Final = 6 * PROCESSOR_TIMEOUT_S
MAX_VISIBILITY_S: Final = 43_200

StageName = Literal["local", "staging", "production"]
Origin = Annotated[str, Field(pattern=r"^https?://[^/*\s]+$")]
PublicUrl = Annotated[str, Field(pattern=r"^https://[^\s/?#]+(/[^\s/?#]+)*$")]
AssetCode = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{1,11}$")]
DecimalText = Annotated[str, Field(pattern=r"^[0-9]{1,38}(\.[0-9]{1,18})?$")]
Seconds = Annotated[int, Field(gt=0)]
Delay = Annotated[int, Field(gt=0, le=MAX_VISIBILITY_S)]
Concurrency = Annotated[int, Field(ge=2, le=1000)]
Email = Annotated[str, Field(pattern=r"^[^@/\s]+@[^@/\s]+$")]
AlertKind = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{2,63}$")]
Priority = Literal["P0", "P1", "P2"]
PRIORITIES: Final[tuple[Priority, ...]] = ("P0", "P1", "P2")


def _known_function(name: str) -> str:
    if name not in FUNCTIONS:
        raise ValueError(f"no function of that name; there are {', '.join(FUNCTIONS)}")
    return name


FunctionName = Annotated[str, AfterValidator(_known_function)]


class StageError(ValueError):
    """Report all that is wrong with a stage's configuration."""


class Throttle(BaseModel, extra="forbid", frozen=True, strict=True):
    """Bound what the API lets through, over all callers together."""

    rate_per_s: Annotated[int, Field(gt=0)]
    burst: Annotated[int, Field(gt=0)]


class AssetSettings(BaseModel, extra="forbid", frozen=True, strict=True):
    """Describe an asset that the stage has beside, or instead of, the built-in ones."""

    scale: Annotated[int, Field(ge=0, le=18)]
    kind: str


class WithdrawalSettings(BaseModel, extra="forbid", frozen=True, strict=True):
    """Say how an asset is withdrawn; what each field means stands in docs/deploy.md."""

    automatic: DecimalText | None = None
    min: DecimalText | None = None
    max: DecimalText | None = None
    daily_amount: DecimalText | None = None
    daily_count: Annotated[int, Field(gt=0)] | None = None
    new_destination_delay_s: Annotated[int, Field(ge=0)] = 0
    fee: DecimalText | None = None
    fee_percent: Annotated[str, Field(pattern=r"^[0-9]{1,2}(\.[0-9]{1,6})?$")] = "0"


class ReconciliationSettings(BaseModel, extra="forbid", frozen=True, strict=True):
    """Say how wallets are reconciled; what each field means stands in docs/reconciliation.md."""

    every_s: Annotated[int, Field(ge=60)] = 900
    segments: Annotated[int, Field(gt=0, le=1000)] = 16
    page_size: Annotated[int, Field(gt=0, le=1000)] = 200
    concurrency: Concurrency = 16
    worker_timeout_s: Annotated[int, Field(ge=60, le=870)] = 600
    margin_s: Seconds = 120
    full_every_s: Seconds = 7 * 86_400
    full_pause_s: Annotated[int, Field(ge=0)] = 3600
    look_again_s: Seconds = 10


class AlertSettings(BaseModel, extra="forbid", frozen=True, strict=True):
    """Say of one kind of alert what the code says otherwise."""

    severity: Literal["critical", "high", "medium", "low"] | None = None


class SpikeSettings(BaseModel, extra="forbid", frozen=True, strict=True):
    """Say when credits of an asset are unusual; what each field means stands in docs/tallied-accounts.md."""

    floor: DecimalText
    owner_floor: DecimalText
    factor: Annotated[int, Field(ge=2, le=1000)] = 5
    window_s: Annotated[int, Field(ge=60, le=3600)] = 300


class NotifierSettings(BaseModel, extra="forbid", frozen=True, strict=True):
    """Say which priorities are told where."""

    slack: list[Priority] = list(PRIORITIES)
    pagerduty: list[Priority] = ["P0", "P1"]
    pagerduty_url: Url = "https://events.pagerduty.com"


class Stage(BaseModel, extra="forbid", frozen=True, strict=True):
    """Hold what differs between one stage and another; what protects data follows from the name alone."""

    name: StageName
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    log_retention_days: Literal[1, 7, 14, 30, 90, 365]
    throttle: Throttle
    cors_origins: list[Origin]
    service_limits: dict[AssetCode, DecimalText]
    assets: dict[AssetCode, AssetSettings] | None = None
    alarm_emails: dict[Priority, list[Email]] = {}
    alerts: dict[AlertKind, AlertSettings] = {}
    notifier: NotifierSettings = NotifierSettings()
    reserved_concurrency: dict[FunctionName, Annotated[int, Field(gt=0)]] = {}
    public_url: Annotated[PublicUrl | None, Field(validate_default=True)] = None
    providers: dict[ProviderName, ProviderSettings] = {}
    deposit_expiry_s: Seconds = 86_400
    webhook_retries_s: list[Delay] = [60, 300, 900, 1800, 3600]
    webhook_grace_s: Seconds = 120
    webhook_visibility_s: Delay = SAFE_VISIBILITY_S
    webhook_concurrency: Concurrency | None = None
    withdrawals: dict[AssetCode, WithdrawalSettings] = {}
    payout_checks_s: Annotated[list[Seconds], Field(min_length=1)] = [60, 120, 300, 900, 1800, 3600]
    payout_visibility_s: Delay = SAFE_VISIBILITY_S
    payout_concurrency: Concurrency | None = None
    reconciliation: ReconciliationSettings = ReconciliationSettings()
    credit_spikes: dict[AssetCode, SpikeSettings] = {}
    provider_reconciliation_minutes: Annotated[int, Field(ge=10, le=1440)] = 60

    @field_validator("public_url")
    @classmethod
    def _known_to_providers(cls, url: str | None, info: ValidationInfo) -> str | None:
        if url is None and rest_of(info).has_providers:
            raise ValueError("providers have to be told where to send their webhooks")
        return url

    @field_validator("webhook_visibility_s", "payout_visibility_s")
    @classmethod
    def _outlasts_the_processor(cls, seconds: int, info: ValidationInfo) -> int:
        if seconds < SAFE_VISIBILITY_S and rest_of(info).stage != "local":
            raise ValueError(f"a batch takes up to {PROCESSOR_TIMEOUT_S} s, so at least {SAFE_VISIBILITY_S} are needed")
        return seconds

    @property
    def jobs(self) -> dict[str, int]:
        """Say how many seconds lie between two runs of each job that the watchdog watches here."""
        unused = {WATCHDOG, *(() if "stellar" in self.providers else ("stellar_poller",))}
        reconciling = dict.fromkeys(("reconciliation_planner", RECONCILIATION), self.reconciliation.every_s)
        comparing = {"provider_reconciler": 60 * self.provider_reconciliation_minutes}
        return {name: every_s for name, every_s in JOBS.items() if name not in unused} | reconciling | comparing

    @property
    def is_local(self) -> bool:
        """Tell whether the stage runs on this machine instead of on AWS."""
        return self.name == "local"

    @property
    def keeps_data(self) -> bool:
        """Tell whether tables, users and logs must outlive the stack."""
        return self.name == "production"


def load_stage(name: object, stages: object, sandbox_url: str = DEFAULT_SANDBOX_URL) -> Stage:
    """Pick the stage of that name out of the context and check it.

    Raises:
        StageError: the stage is unknown, or its configuration has mistakes; all of them are named.
    """
    if not isinstance(stages, dict) or not isinstance(stages.get(name), dict):
        known = ", ".join(stages) if isinstance(stages, dict) else "none"
        raise StageError(f"Stage {name!r} is not in the context's `stages` ({known}).")
    settings: dict[str, Any] = {"name": name, **stages[name]}
    settings |= {"providers": locate_sandbox(settings.get("providers", {}), sandbox_url)}
    settings |= {"notifier": locate_sandbox(settings.get("notifier", {}), sandbox_url)}
    rest = Rest(stage=str(name), has_providers=bool(settings["providers"]))
    try:
        return Stage.model_validate(settings, context=rest)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise StageError("\n".join([f"Stage {name!r} is misconfigured:", *lines])) from error
