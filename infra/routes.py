"""Name every function, and every HTTP route that one answers: plain data, importable without the CDK."""

from collections.abc import Mapping
from typing import NamedTuple


class Route(NamedTuple):
    """Bind one route of the HTTP API to a function; a public one is reached without a token."""

    method: str
    path: str
    function: str
    public: bool = False

    @property
    def key(self) -> str:
        """Spell the route the way API Gateway and the emulator key it."""
        return f"{self.method} {self.path}"


ROUTES: tuple[Route, ...] = (
    Route("POST", "/v1/auth/register", "auth", public=True),
    Route("POST", "/v1/auth/confirm", "auth", public=True),
    Route("POST", "/v1/auth/login", "auth", public=True),
    Route("POST", "/v1/auth/refresh", "auth", public=True),
    Route("POST", "/v1/auth/logout", "auth", public=True),
    Route("POST", "/v1/wallets", "wallets"),
    Route("GET", "/v1/wallets", "wallets"),
    Route("GET", "/v1/wallets/{wallet_id}", "wallets"),
    Route("POST", "/v1/wallets/{wallet_id}/freeze", "wallets"),
    Route("POST", "/v1/wallets/{wallet_id}/unfreeze", "wallets"),
    Route("POST", "/v1/wallets/{wallet_id}/close", "wallets"),
    Route("POST", "/v1/wallets/{wallet_id}/credit", "credit"),
    Route("POST", "/v1/wallets/{wallet_id}/debit", "debit"),
    Route("GET", "/v1/wallets/{wallet_id}/entries", "statements"),
    Route("GET", "/v1/wallets/{wallet_id}/balance", "statements"),
    Route("POST", "/v1/transfers", "transfers"),
    Route("GET", "/v1/transfers/{transfer_id}", "transfers"),
    Route("POST", "/v1/transfers/{transfer_id}/reverse", "transfers"),
    Route("GET", "/v1/idempotency/{key+}", "transfers"),
    Route("POST", "/v1/idempotency/{key+}", "transfers"),
    Route("POST", "/v1/deposits", "deposits"),
    Route("GET", "/v1/deposits/{deposit_id}", "deposits"),
    Route("POST", "/v1/withdrawals", "withdrawals"),
    Route("POST", "/v1/withdrawals/quote", "withdrawals"),
    Route("GET", "/v1/withdrawals", "withdrawals"),
    Route("GET", "/v1/withdrawals/{withdrawal_id}", "withdrawals"),
    Route("POST", "/v1/withdrawals/{withdrawal_id}/cancel", "withdrawals"),
    Route("GET", "/v1/admin/withdrawals", "withdrawals"),
    Route("POST", "/v1/admin/withdrawals/{withdrawal_id}/approve", "withdrawals"),
    Route("POST", "/v1/admin/withdrawals/{withdrawal_id}/reject", "withdrawals"),
    Route("GET", "/v1/admin/dlq", "dead_letters"),
    Route("GET", "/v1/admin/dlq/{dead_letter_id}", "dead_letters"),
    Route("GET", "/v1/admin/dlq/{dead_letter_id}/preview", "dead_letters"),
    Route("POST", "/v1/admin/dlq/{dead_letter_id}/redrive", "dead_letters"),
    Route("POST", "/v1/admin/dlq/{dead_letter_id}/resolve", "dead_letters"),
    Route("GET", "/v1/integrity", "integrity"),
    Route("GET", "/v1/integrity/admin-wallet", "integrity"),
    Route("POST", "/v1/admin/reconciliation/runs", "integrity"),
    Route("GET", "/v1/admin/alerts/unresolved", "alerts"),
    Route("GET", "/v1/admin/alerts/{alert_id}", "alerts"),
    Route("POST", "/v1/admin/alerts/{alert_id}/resolve", "alerts"),
    Route("GET", "/v1/admin/reconciliation/differences", "differences"),
    Route("POST", "/v1/admin/reconciliation/differences/{difference_id}/fetch", "differences"),
    Route("POST", "/webhooks/{provider}", "webhooks", public=True),
    Route("GET", "/health", "health", public=True),
    Route("GET", "/ready", "health", public=True),
    Route("GET", "/health/detailed", "health"),
    Route("GET", "/openapi.json", "docs", public=True),
    Route("GET", "/docs", "docs", public=True),
    Route("GET", "/v1/assets", "docs", public=True),
)

# What matches no route goes here, so that a 404 is a problem document of ours and not API Gateway's.
FALLBACK_FUNCTION = "docs"

API_FUNCTIONS: tuple[str, ...] = tuple(dict.fromkeys(route.function for route in ROUTES))
STREAM_FUNCTION = "ledger_guard"
TALLY_FUNCTION = "tally"
QUEUE_FUNCTIONS = ("webhook_processor", "payout_worker", "reconciler")
WATCHDOG = "watchdog"
# What the planner begins and workers end, which the watchdog looks after, too.
RECONCILIATION = "reconciliation"
# How often the clock calls each function, in seconds; the watchdog notices when one does not finish.
JOBS: Mapping[str, int] = {
    "webhook_sweep": 60,
    "stellar_poller": 60,
    "withdrawal_sweep": 60,
    "spike_sweep": 60,
    "reconciliation_planner": 900,
    "provider_reconciler": 3600,
    WATCHDOG: 60,
}
SCHEDULED_FUNCTIONS = tuple(JOBS)
NOTIFIER = "notifier"
FUNCTIONS: tuple[str, ...] = (
    *(*API_FUNCTIONS, STREAM_FUNCTION, TALLY_FUNCTION),
    *(*QUEUE_FUNCTIONS, *SCHEDULED_FUNCTIONS, NOTIFIER),
)
