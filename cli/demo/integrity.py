"""Reconcile everything, then alter an entry behind the API's back and see who notices."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from cli.demo.client import PROBLEM, TIMEOUT_S
from cli.demo.scenario import Step
from cli.local.deployment import Deployment
from cli.progress import Steps

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

ALTERED: Final = 1
"""The entry of ada's that is altered: what a service has credited first."""

STOLEN_UNITS: Final = 100_000
PATIENCE_S: Final = 60.0
LOOK_EVERY_S: Final = 0.25
GUARD: Final = "LEDGER_OVERWRITTEN"
MISMATCH: Final = "BALANCE_MISMATCH"

View = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """Hold how every check stood before the tampering, what the house held, and what came of the tampering."""

    checks: Sequence[View] = ()
    house: View = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


def end(deployment: Deployment, names: Mapping[str, str], progress: Steps) -> Ending:
    """Reconcile, alter an entry, reconcile again, and put the entry back so that the cloud can be used on."""
    with _Auditor(deployment, names["admin"], names["ada_usd"]) as auditor:
        with progress.step("reconcile everything"):
            checks, house = auditor.reconcile_all()
        with progress.step("alter an entry behind the API's back, and reconcile again"):
            auditor.tamper()
    return Ending(checks, house, tuple(auditor.steps))


class _Auditor:
    """Ask as an admin over HTTP; write, as nobody should, with an administrator's credentials for AWS."""

    def __init__(self, deployment: Deployment, token: str, wallet_id: str) -> None:
        bearer = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=deployment.base_url, headers=bearer, timeout=TIMEOUT_S, trust_env=False)
        self._dynamodb: DynamoDBClient = deployment.client("dynamodb")
        self._tables = deployment.outputs
        self._wallet_id = wallet_id
        self.steps: list[Step] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def reconcile_all(self) -> tuple[Sequence[View], View]:
        """Run both kinds once, and show how everything stands."""
        self._run("an admin begins a full reconciliation", full=True, finds="ok")
        self._run("… and one of what has changed since", full=False, finds="ok")
        checks, house = self._checks(), self._get("/v1/integrity/admin-wallet")
        self._note("all checks of the ledger", "ok", ", ".join({check["status"] for check in checks.values()}))
        self._note("all accounts of each asset sum to zero", "True", house.get("balanced"))
        return [*checks.values()], house

    def tamper(self) -> None:
        entry = self._entry()
        alerts = self._alerts()
        forged = {**entry, "units": {"N": str(int(entry["units"]["N"]) + STOLEN_UNITS)}}
        self._dynamodb.put_item(TableName=self._tables["EntriesTable"], Item=forged)
        key = entry["entry_key"]["S"]
        try:
            found = self._wait(lambda: self._new_alert(GUARD, alerts, entry_key=key))
            self._note(f"somebody makes entry {ALTERED} of ada's say 1,000.00 more", GUARD, found.get("kind"))
            self._run("an admin begins a full reconciliation", full=True, finds="failing")
            found = self._wait(lambda: self._new_alert(MISMATCH, alerts, subject=self._wallet_id))
            facts = json.loads(found.get("facts", "{}"))
            named = f"{found.get('kind')}: entry {facts.get('sequence')} of {facts.get('account_id')}"
            self._note("… which is told with its place", f"{MISMATCH}: entry {ALTERED} of {self._wallet_id}", named)
            self._note("… and nothing is corrected by itself", "as forged", self._compared(forged))
        finally:
            self._dynamodb.put_item(TableName=self._tables["EntriesTable"], Item=entry)

    def _run(self, what: str, *, full: bool, finds: str) -> None:
        """Begin a run and wait until its check shows it; a run that is under way is waited for."""
        answer = self._wait(lambda: self._begun(full=full))
        name = "wallets-full" if full else "wallets"

        def shown() -> View:
            checks = self._checks()
            is_mine = checks.get(name, {}).get("facts", {}).get("run_id") == answer.get("run_id")
            return checks[name] if is_mine else {}

        self._note(what, finds, self._wait(shown).get("status"))

    def _checks(self) -> dict[str, View]:
        """Read how the checks of the ledger stand; the comparison with providers has its own time."""
        checks = self._get("/v1/integrity").get("checks", ())
        return {check["name"]: check for check in checks if not check["name"].startswith("provider-")}

    def _begun(self, *, full: bool) -> View:
        answer = self._http.post("/v1/admin/reconciliation/runs", json={"full": full})
        body: View = answer.json()
        return {} if body.get("type") == f"{PROBLEM}illegal-transition" else body

    def _get(self, path: str) -> View:
        body: View = self._http.get(path).json()
        return body

    def _entry(self) -> dict[str, Any]:
        found = self._dynamodb.query(
            TableName=self._tables["EntriesTable"],
            KeyConditionExpression="account_id = :account",
            ExpressionAttributeValues={":account": {"S": self._wallet_id}},
            ConsistentRead=True,
            Limit=ALTERED,
        )
        return dict(found["Items"][-1])

    def _compared(self, forged: Mapping[str, Any]) -> str:
        return "as forged" if self._entry() == forged else "changed"

    def _alerts(self) -> dict[str, View]:
        """Read the alerts that are kept, by their keys."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._tables["OperationsTable"],
            FilterExpression="begins_with(operation_key, :alert)",
            ExpressionAttributeValues={":alert": {"S": "alert#"}},
            ConsistentRead=True,
        )
        items = (item for page in pages for item in page["Items"])
        return {
            item["operation_key"]["S"]: {name: next(iter(value.values())) for name, value in item.items()}
            for item in items
        }

    def _new_alert(self, kind: str, known: Mapping[str, View], **facts: str) -> View:
        """Find an alert that was not there before, with such a subject or facts."""
        for key, alert in self._alerts().items():
            told = {**json.loads(alert["facts"]), "subject": alert["subject"]}
            if alert != known.get(key) and alert["kind"] == kind and facts.items() <= told.items():
                return alert
        return {}

    def _wait(self, look: Callable[[], View]) -> View:
        """Look until there is something, within a bound."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := look()) and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
        return found

    def _note(self, what: str, expected: str, got: object) -> None:
        self.steps.append(Step(what, expected, str(got)))
