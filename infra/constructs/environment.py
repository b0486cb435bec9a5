"""Say which settings each function reads, and see that they fit into its environment."""

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from aws_cdk import Token

from infra.constructs.alerts import Alerts
from infra.constructs.data import Data
from infra.constructs.identity import Identity
from infra.constructs.queue import WorkQueue
from infra.constructs.secrets import Secrets
from infra.stage import PRIORITIES, Stage, StageError

PREFIX: Final = "TALLYSTICK_"

_POSTING = ("assets", "accounts_table", "entries_table", "transfers_table")
_TABLES = (*_POSTING[1:], "flows_table", "inbox_table", "audit_table", "operations_table")
_GATEWAYS = ("providers", "public_url", "provider_keys_secret")
_ALERTING = ("operations_table", *(f"alerts_topic_{priority.lower()}_arn" for priority in PRIORITIES), "alerts")
_NOTING_RUNS = (*_ALERTING, "jobs")
_QUEUEING = ("webhook_queue_url", "webhook_grace_s")
_RECONCILING = (
    *(*_POSTING[1:], "flows_table", "audit_table", *_ALERTING),
    *("reconciliation", "reconciliation_queue_url"),
)
_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "wallets": ("assets", "accounts_table"),
    "credit": (*_POSTING, "service_limits"),
    "debit": (*_POSTING, "service_limits"),
    "transfers": (*_POSTING, "service_limits"),
    "statements": ("assets", "accounts_table", "entries_table"),
    "auth": ("user_pool_client_id",),
    "deposits": ("assets", "accounts_table", "flows_table", *_GATEWAYS, "deposit_expiry_s"),
    "dead_letters": (*_POSTING, "flows_table", "inbox_table", "audit_table", *_GATEWAYS, *_QUEUEING, *_ALERTING),
    "withdrawals": (
        *(*_POSTING, "flows_table", "audit_table", "operations_table"),
        *("providers", "public_url", "withdrawals", "payout_queue_url"),
    ),
    "webhooks": ("inbox_table", *_QUEUEING, "webhook_keys_secret", "providers", "public_url"),
    "health": (*_TABLES, "providers"),
    "docs": ("assets",),
    "alerts": (*_ALERTING, "audit_table"),
    "ledger_guard": _ALERTING,
    "spike_sweep": ("assets", "credit_spikes", *_NOTING_RUNS),
    "tally": ("assets", "credit_spikes", *_ALERTING),
    "webhook_processor": (
        *(*_POSTING, "flows_table", "inbox_table", *_GATEWAYS),
        *(*_QUEUEING, "webhook_retries_s", *_ALERTING),
    ),
    "webhook_sweep": ("inbox_table", *_QUEUEING, *_NOTING_RUNS),
    "payout_worker": (
        *(*_POSTING, "flows_table", *_GATEWAYS),
        *("withdrawals", "payout_checks_s", *_ALERTING),
    ),
    "withdrawal_sweep": ("flows_table", "payout_queue_url", *_NOTING_RUNS),
    "provider_reconciler": ("assets", "flows_table", *_GATEWAYS, *_NOTING_RUNS),
    "differences": ("assets", "operations_table", "inbox_table", "audit_table", *_GATEWAYS, *_QUEUEING),
    "integrity": ("assets", "providers", "jobs", *_RECONCILING),
    "reconciliation_planner": (*_RECONCILING, "jobs"),
    "reconciler": (*_RECONCILING, "jobs"),
    "stellar_poller": ("inbox_table", *_QUEUEING, "providers", *_NOTING_RUNS),
    "watchdog": ("inbox_table", "flows_table", *_NOTING_RUNS),
    "notifier": (*_ALERTING[1:-1], "notifier", "notifier_keys_secret"),
}

# Of a provider's settings a function gets its own part only, or six providers would not fit: these judge a call, ...
_OF_SEALS: Final = frozenset({"allowlist", "tolerance_s", "jwks_url", "trusted_jku"})
# ... and these say how money gets from the provider to us.
_OF_GATEWAYS: Final = frozenset(
    {"checkout_url", "return_url", "assets", "addresses", "publishable_key", "client_id", "merchant_account_id"}
)

# After how long its books and ours have to agree matters to nobody but who compares them.
_OF_COMPARING: Final = frozenset({"ageing_s"})

# Of these, what takes payments does not matter to payouts, and nothing but the name to who only shows it.
_OF_CHECKOUTS: Final = _OF_SEALS | {"checkout_url", "return_url", "publishable_key"}
_UNREAD: Final[Mapping[str, Collection[str]]] = {
    "webhooks": _OF_GATEWAYS,
    "withdrawals": _OF_CHECKOUTS,
    "payout_worker": _OF_CHECKOUTS,
    "health": _OF_SEALS | _OF_GATEWAYS,
    "integrity": _OF_SEALS | _OF_GATEWAYS,
    "provider_reconciler": _OF_CHECKOUTS,
    "differences": _OF_CHECKOUTS,
}

MAX_BYTES: Final = 4096
# CloudFormation makes names of about 70 characters for tables, and of up to 130 with what stands before a queue's.
GENERATED_NAME_BYTES: Final = 100


class Environment:
    """Know the value of every setting."""

    def __init__(
        self,
        *,
        stage: Stage,
        data: Data,
        identity: Identity,
        secrets: Secrets,
        webhook_queue: WorkQueue,
        payout_queue: WorkQueue,
        reconciliation_queue: WorkQueue,
        alerts: Alerts,
    ) -> None:
        self._stage = stage
        self._values: Mapping[str, str | None] = {
            **_tables(data),
            **_configured(stage),
            "user_pool_client_id": identity.client.user_pool_client_id,
            **{f"alerts_topic_{name.lower()}_arn": topic.topic_arn for name, topic in alerts.topics.items()},
            "webhook_queue_url": webhook_queue.events.queue_url,
            "payout_queue_url": payout_queue.events.queue_url,
            "reconciliation_queue_url": reconciliation_queue.events.queue_url,
            "webhook_keys_secret": secrets.webhook_keys,
            "provider_keys_secret": secrets.provider_keys,
            "notifier_keys_secret": secrets.notifier_keys,
        }

    def of(self, function: str) -> dict[str, str]:
        """Give the whole environment of a function.

        Raises:
            StageError: Lambda would not take it.
        """
        values = {**self._values, "providers": _json(_providers(self._stage, function))}
        read = {name: value for name in _READS[function] if (value := values[name]) is not None}
        variables = _common(self._stage, function) | {f"{PREFIX}{name.upper()}": value for name, value in read.items()}
        _check_size(function, variables)
        return variables


def _common(stage: Stage, function: str) -> dict[str, str]:
    return {
        "TALLYSTICK_STAGE": stage.name,
        "POWERTOOLS_SERVICE_NAME": function,
        "POWERTOOLS_LOG_LEVEL": stage.log_level,
        "POWERTOOLS_METRICS_NAMESPACE": "Tallystick",
    }


def _tables(data: Data) -> dict[str, str]:
    return {f"{name}_table": table.table_name for name, table in data.by_name.items()}


def _configured(stage: Stage) -> dict[str, str | None]:
    """Write out what the stage says."""
    return {
        "assets": _json(stage.model_dump()["assets"]) if stage.assets is not None else None,
        "service_limits": _json(stage.service_limits),
        "public_url": stage.public_url,
        "deposit_expiry_s": str(stage.deposit_expiry_s),
        "webhook_retries_s": _json(stage.webhook_retries_s),
        "webhook_grace_s": str(stage.webhook_grace_s),
        "withdrawals": _json(stage.model_dump(exclude_defaults=True).get("withdrawals", {})),
        "payout_checks_s": _json(stage.payout_checks_s),
        "reconciliation": _json(
            stage.reconciliation.model_dump(exclude_defaults=True, exclude={"concurrency", "worker_timeout_s"})
        ),
        "alerts": _json(stage.model_dump(exclude_defaults=True).get("alerts", {})),
        "jobs": _json(stage.jobs),
        "credit_spikes": _json(stage.model_dump(exclude_defaults=True).get("credit_spikes", {})),
        "notifier": _json(stage.model_dump()["notifier"]),
    }


def _providers(stage: Stage, function: str) -> dict[str, dict[str, Any]]:
    """Pick the providers that a function has to do with, and of each what it reads."""
    unread = {*_UNREAD.get(function, _OF_SEALS), *(() if function == "provider_reconciler" else _OF_COMPARING)}
    return {
        name: provider.model_dump(exclude_defaults=True, exclude=unread) | {"environment": provider.environment}
        for name, provider in stage.providers.items()
        if function != "stellar_poller" or name == "stellar"
    }


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _check_size(function: str, variables: Mapping[str, str]) -> None:
    """Count as Lambda does, which measures the variables as JSON: every quotation mark within one counts twice."""
    known = {name: _with_generated_names(value) for name, value in variables.items()}
    size = len(_json(known))
    if size > MAX_BYTES:
        largest = max(known, key=lambda name: len(known[name]))
        raise StageError(
            f"The environment of {function} takes {size} bytes, and Lambda allows {MAX_BYTES}. "
            f"The largest part is {largest} with {len(_json(known[largest]))}: shorten what the stage says there."
        )


def _with_generated_names(value: str) -> str:
    return "x" * GENERATED_NAME_BYTES if Token.is_unresolved(value) else value
