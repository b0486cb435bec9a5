"""Make one seed's world: the cloud, the functions in it, the weather, and what scenes may do."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from random import Random
from typing import Any, Final

from cli.webhooks import signers
from infra.routes import ROUTES
from tallystick.domain.webhooks import Provider
from tests.functions import providers
from tests.simulation import schemas
from tests.simulation.boundary import Boundary
from tests.simulation.cloud import Cloud, Providers
from tests.simulation.events import Deliveries
from tests.simulation.faults import Calm, Chooser
from tests.simulation.judge import Delivered, Evidence, RawItem
from tests.simulation.kernel import BEGIN_US, SECOND, Kernel, Task
from tests.simulation.lambdas import Ended, Fleet
from tests.simulation.told import Answer, Called, Told, Try
from tests.support.events import http_event
from tests.support.sealed import secret_of

GROUPS: Final = {"till": "[SERVICE]", "root": "[ADMIN]"}
HOST: Final = "wallet.example.test"
SPAWNED_US: Final = SECOND // 20
"""What is spawned begins within this time."""

MAX_DELIVERIES: Final = 6
WAITS_S: Final = (30, 60, 60, 120, 300, 600, 900, 1800, 3600, 3600, 7200, 14_400, 43_200, 86_400)
"""Virtual seconds between the rounds in which everything comes to its end."""

CUT_US: Final = 300 * SECOND
"""Longer than a run's cut lies back."""

MILLISECOND: Final = SECOND // 1000
CONFLICT: Final = 409
RUNS: Final = "/v1/admin/reconciliation/runs"
PROCESSED: Final = {"DONE", "RESOLVED"}
"""The states of an event that nobody has to look at any more."""

STORMY: Final = (0, 0, 1, 3)
"""In how many of these rounds things go wrong as before."""

RUN: Final = {"S": "run#wallets"}
VERDICTS: Final = {"S": "reconciliation#full"}
WAITING: Final = {"S": "IN_REVIEW"}
"""The state of a withdrawal that waits for a person, listed as open."""


class World:
    """Let scenes play, then let everything come to its end."""

    def __init__(self, seed: int, chooser: Callable[[Random], Chooser], *, trace: bool = False) -> None:
        """Make it from a seed."""
        self.kernel = Kernel(seed)
        self.dice = self.kernel.dice
        self.timeline: list[str] = []
        self._trace = trace
        self.cloud = Cloud(self.kernel, schemas.all_tables())
        self.boundary = Boundary(self.kernel, self.cloud, chooser(self.dice), self.note)
        self.fleet = Fleet(self.kernel, self.note)
        self.deliveries = Deliveries(self.kernel, self.cloud, self.fleet)
        self.boundary.on_write = self.deliveries.look_at_streams
        self.told = Told()
        self.delivered: list[Delivered] = []
        self.tampered: set[str] = set()
        self.missed: list[str] = []
        self.lost_answers = 0.0
        self._is_reconciled = False

    @property
    def providers(self) -> Providers:
        """Give the fake providers."""
        return self.cloud.providers

    def note(self, line: str) -> None:
        """Add a line to the timeline."""
        if self._trace:
            task = self.kernel.current
            who = (task.container or task).name if task else ""
            self.timeline.append(f"{(self.kernel.now_us - BEGIN_US) / SECOND:12.3f}  {who:28} {line}")

    def now_ms(self) -> int:
        """Tell the true time."""
        return self.kernel.now_us // 1000

    def spawn(self, name: str, body: Callable[[], None]) -> Task:
        """Do something meanwhile."""
        return self.kernel.spawn(name, body, self.dice.randrange(SPAWNED_US))

    def join(self, *tasks: Task) -> None:
        """Wait for others."""
        self.kernel.join(*tasks)

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.kernel.sleep(int(seconds * SECOND))

    def call(
        self,
        caller: str,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 (JSON)
        *,
        key: str | None = None,
        query: dict[str, str] | None = None,
    ) -> Answer | None:
        """Send a request once."""
        return self.persist(caller, method, path, body, key=key, query=query, tries=1)

    def persist(
        self,
        caller: str,
        method: str,
        path: str,
        body: Any = None,  # noqa: ANN401 (JSON)
        *,
        key: str | None = None,
        query: dict[str, str] | None = None,
        tries: int = 8,
    ) -> Answer | None:
        """Send a request until its answer is final."""
        called = Called(caller, method, path, body, key, query)
        self.told.calls.append(called)
        answer = self._send(called)
        while not (answer and answer.is_final) and len(called.tries) < tries:
            self.pause(self.dice.uniform(0.1, 2.0))
            answer = self._send(called)
        return answer

    def deliver(
        self, provider: str, body: bytes, *, query: dict[str, str] | None = None, sign_at_ms: int | None = None
    ) -> None:
        """Send a provider's webhook as it does: until it is taken, and sometimes once more."""
        delivered = Delivered(provider, body, signed=True)
        self.delivered.append(delivered)
        more = 1 if self.dice.random() < self.deliveries.weather.twice else 0
        while len(delivered.answers) < MAX_DELIVERIES:
            event = _webhook(provider, body, query or {}, (sign_at_ms or self.now_ms()) // 1000)
            answer = self._received("webhooks", event)
            delivered.answers.append(answer.status if answer else None)
            if answer and answer.status < 300:
                if not more:
                    return
                more -= 1
            self.pause(self.dice.uniform(0.5, 60))

    def forge(self, provider: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Send what the provider has not signed."""
        delivered = Delivered(provider, body, signed=False)
        self.delivered.append(delivered)
        answer = self._received("webhooks", _webhook_event(provider, body, {}, headers))
        delivered.answers.append(answer.status if answer else None)

    def tick(self, function: str) -> None:
        """Let the clock call a function."""
        self.fleet.invoke(function, {"source": "aws.events"})
        if self.dice.random() < self.deliveries.weather.twice:
            self.fleet.accidents["tick twice"] += 1
            self.fleet.invoke(function, {"source": "aws.events"})

    def end(self, *, reconcile: bool) -> None:
        """Let the clock run until nothing is open, after a while without any fault; then reconcile."""
        stormy = self.dice.choice(STORMY)
        if reconcile and stormy:
            self.kernel.spawn("root", lambda: self.call("root", "POST", RUNS, {"full": True}))
        for wait_s in WAITS_S[:stormy]:
            self._wait(wait_s)
        self._calm_down()
        self._settle()
        self._is_reconciled = reconcile
        if reconcile:
            self._reconcile()

    def _settle(self) -> None:
        """Let the clock run until nothing is open."""
        for wait_s in WAITS_S:
            if not self._wait(wait_s):
                break

    def _wait(self, seconds: int) -> bool:
        """Let time pass, and the clock call what has something to do; answer whether anything is open."""
        self.kernel.run(self.kernel.now_us + seconds * SECOND)
        due = self._due
        for function in due:
            self.tick(function)
        return bool(due) or not self.deliveries.is_quiet

    def _calm_down(self) -> None:
        """Let no fault happen any more."""
        self.boundary.chooser = Calm(self.dice)
        self.boundary.gradual = self.boundary.behind = self.boundary.unprocessed = 0.0
        self.cloud.hidden_reasons = self.lost_answers = 0.0
        weather = self.deliveries.weather
        weather.twice = weather.late = weather.again = 0.0
        self.fleet.set_clocks(0.0)
        if any("paging_token" in thing for thing in self.providers["stellar"].things.values()):
            self.tick("stellar_poller")  # what arrives on the chain tells nobody

    def evidence(self) -> Evidence:
        """Gather what is judged."""
        tables = {name: self.cloud.dynamo.items(name) for name in schemas.names()}
        queues = self.cloud.queues.values()
        return Evidence(
            tables=tables,
            told=self.told,
            providers={name: fake.things for name, fake in self.providers.by_name.items()},
            queued={queue.name: [message.body for message in queue.messages] for queue in queues},
            dead={queue.name: queue.dead for queue in queues},
            alerts=self.cloud.published,
            delivered=self.delivered,
            crashed=self.fleet.crashed,
            rules=providers.WITHDRAWALS,
            is_reconciled=self._is_reconciled,
            tampered=frozenset(self.tampered),
            missed=tuple(self.missed),
        )

    @property
    def _due(self) -> list[str]:
        """Name the functions of the clock that have something to do; the others would only look."""
        dynamo = self.cloud.dynamo
        alerts = [item for item in dynamo.items("operations") if "subject" in item and "listed" in item]
        untold = any(item["listed"] == {"S": "untold-alert"} for item in alerts)
        outlived = {*map(_alarming, alerts)} & self._over
        events = any(item.get("state") == {"S": "OPEN"} for item in dynamo.items("inbox"))
        flows = any("open" in item and item["open"] != WAITING for item in dynamo.items("flows"))
        found = {
            "watchdog": untold or outlived,
            "webhook_sweep": events,
            "withdrawal_sweep": flows,
            "reconciliation_planner": self._is_reconciling,
        }
        return [function for function, is_due in found.items() if is_due]

    @property
    def _over(self) -> set[tuple[str, str]]:
        """Name the alerts that would have outlived their events and withdrawals."""
        dynamo = self.cloud.dynamo
        events = [item["inbox_key"]["S"] for item in dynamo.items("inbox") if item["state"]["S"] in PROCESSED]
        flows = [item["flow_id"]["S"] for item in dynamo.items("flows") if "open" not in item]
        return {("WEBHOOK_FAILURE", f"dlq_{key}") for key in events} | {("PAYOUT_UNCLEAR", name) for name in flows}

    @property
    def _is_reconciling(self) -> bool:
        """Tell whether a run is under way, or the last full one has found what the next has to confirm."""
        dynamo = self.cloud.dynamo
        runs = [item["content"]["S"] for item in dynamo.items("operations") if item["operation_key"] == RUN]
        verdicts = [
            (item["action_key"]["S"], item["content"]["S"])
            for item in dynamo.items("audit")
            if item["subject"] == VERDICTS
        ]
        is_suspicious = bool(verdicts) and '"suspicion"' in max(verdicts)[1]
        return is_suspicious or any('"ended_at_ms"' not in run for run in runs)

    def _reconcile(self) -> None:
        """Order a full run and let it end; the cut lies two minutes back."""
        self.kernel.run(self.kernel.now_us + CUT_US)
        self.kernel.run_through(self.kernel.spawn("root", self._full_run))
        self._settle()

    def _full_run(self) -> None:
        """Ask until no earlier run is under way; the planner's tick queues what is left of one."""
        answer = self.call("root", "POST", RUNS, {"full": True})
        while answer is None or answer.status == CONFLICT:
            self.tick("reconciliation_planner")
            self.pause(60)
            answer = self.call("root", "POST", RUNS, {"full": True})

    def _send(self, called: Called) -> Answer | None:
        self.kernel.sleep(MILLISECOND)  # what was answered before was answered at an earlier millisecond
        tried = Try(self.now_ms())
        called.tries.append(tried)
        tried.answer = self._received(*_request(called))
        tried.answered_ms = self.now_ms() if tried.answer else None
        return tried.answer

    def _received(self, function: str, event: Mapping[str, Any]) -> Answer | None:
        """Invoke a function through API Gateway; its answer may get lost on the way."""
        ended = self.fleet.wait_for(function, event)
        if self.dice.random() < self.lost_answers:
            self.fleet.accidents["answer lost"] += 1
            return None
        return _answer(ended)


def _alarming(alert: RawItem) -> tuple[str, str]:
    return alert["kind"]["S"], alert["subject"]["S"]


def _answer(ended: Ended) -> Answer | None:
    if not ended.is_good:
        return None
    answer = ended.answer
    return Answer(answer["statusCode"], json.loads(answer.get("body") or "{}"), answer.get("headers") or {})


def _request(called: Called) -> tuple[str, dict[str, Any]]:
    function, route, parameters = _routed(called.method, called.path)
    event = http_event(
        called.method,
        called.path,
        called.body,
        caller=called.caller,
        groups=GROUPS.get(called.caller, ""),
        key=called.key,
        query=dict(called.query) if called.query else None,
        path_parameters=dict(parameters),
    )
    return function, {**event, "routeKey": route}


@cache
def _routed(method: str, path: str) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Find the route of a path as API Gateway does: the one with the most literal parts."""
    found = [
        (sum(not part.startswith("{") for part in route.path.split("/")), route.function, route.key, parameters)
        for route in ROUTES
        if route.method == method and (parameters := _matched(route.path, path)) is not None
    ]
    _, function, key, parameters = max(found)
    return function, key, parameters


def _matched(route: str, path: str) -> tuple[tuple[str, str], ...] | None:
    wanted, given = route.strip("/").split("/"), path.strip("/").split("/")
    if wanted[-1].endswith("+}") and len(given) >= len(wanted):
        given = [*given[: len(wanted) - 1], "/".join(given[len(wanted) - 1 :])]
    if len(wanted) != len(given):
        return None
    pairs = list(zip(wanted, given, strict=True))
    if any(name != text for name, text in pairs if not name.startswith("{")):
        return None
    return tuple((name.strip("{+}"), text) for name, text in pairs if name.startswith("{"))


def _webhook(provider: str, body: bytes, query: dict[str, str], at_s: int) -> dict[str, Any]:
    path = f"/webhooks/{provider}"
    secret = secret_of(Provider(provider))
    return _webhook_event(
        provider, body, query, signers.sign(Provider(provider), body, secret, at_s=at_s, host=HOST, path=path)
    )


def _webhook_event(provider: str, body: bytes, query: dict[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
    path = f"/webhooks/{provider}"
    event = http_event("POST", path, body.decode(), caller=None, query=query, path_parameters={"provider": provider})
    event["headers"].update({name.lower(): text for name, text in headers.items()})
    event["requestContext"]["http"]["sourceIp"] = providers.SOURCES.get(Provider(provider), providers.ELSEWHERE)
    event["requestContext"]["domainName"] = HOST
    event["routeKey"] = "POST /webhooks/{provider}"
    return event
