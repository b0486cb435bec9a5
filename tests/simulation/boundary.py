"""Stand where the product's code calls AWS and providers: give the turn up, let things go wrong, carry the call out."""

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError
from urllib3.exceptions import NewConnectionError, ProtocolError

from cli.local.sandbox.messages import Answer
from tests.simulation.cloud import Cloud, name_of, name_of_http
from tests.simulation.dynamo import Commit, Refused
from tests.simulation.faults import LASTING, MAX_LATENCY_US, Blow, Chooser, Fault
from tests.simulation.kernel import SECOND, Kernel, Killed
from tests.simulation.plays import Aim

T = TypeVar("T")

AWS_TIMEOUT_US: Final = 3 * SECOND
MAX_LAG_US: Final = 30 * SECOND
MAX_FLIGHT_US: Final = 5 * SECOND
ADDRESS: Final = "https://aws.example.test"

_THROTTLES: Final = {
    "dynamodb": ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"),
    "sns": ("ThrottledException",),
}
_TRANSACTION: Final = "TransactWriteItems"
_WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", _TRANSACTION})
_READS: Final = frozenset({"GetItem", "BatchGetItem", "Query", "Scan"})
_HTTP_FAULTS: Final = {
    Fault.THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
    Fault.FAILED: HTTPStatus.SERVICE_UNAVAILABLE,
    Fault.GATEWAY: HTTPStatus.GATEWAY_TIMEOUT,
}
_DONE: Final = frozenset({Fault.LOST, Fault.GATEWAY})
"""Faults of the answer: the call was carried out."""

_KILLS: Final = frozenset({Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.KILLED_IN_FLIGHT, Fault.TIMED_OUT})


class OutOfOrder(BaseException):
    """The simulator itself is wrong."""


class Trouble(Exception):
    """Tell that a try of a call failed by a fault; the SDK may try again."""

    def __init__(self, fault: Fault) -> None:
        """Say which."""
        super().__init__(fault)
        self.fault = fault


@dataclass(slots=True)
class HttpAnswer:
    """Look like an answer of urllib3."""

    status: int
    content: bytes
    headers: Mapping[str, str]

    def stream(self, _size: int, *, decode_content: bool) -> tuple[bytes, ...]:  # noqa: ARG002 (urllib3's)
        """Give the content."""
        return (self.content,)

    def read(self, _size: int) -> bytes:
        """Give the content."""
        return self.content

    def close(self) -> None:
        """Do nothing."""


class Boundary:
    """Carry out the calls of invocations, with faults; count both."""

    def __init__(self, kernel: Kernel, cloud: Cloud, chooser: Chooser, note: Callable[[str], None]) -> None:
        """Let a chooser decide; `note` takes a line of the timeline."""
        self._kernel = kernel
        self._cloud = cloud
        self._note = note
        self.chooser = chooser
        self.aims: Sequence[Aim] = ()
        self.gradual = self.behind = self.unprocessed = 0.0
        self.on_write: Callable[[], None] = lambda: None
        self._counts: dict[str, int] = {}
        self._recent: deque[tuple[int, str]] = deque()
        self.calls: Counter[tuple[str, str]] = Counter()
        self.faults: Counter[tuple[str, str, str]] = Counter()

    def aws(self, service: str, operation: str, parameters: dict[str, Any], attempts: int) -> dict[str, Any]:
        """Make a call to AWS as the SDK does: tried again after a throttle, a failure of AWS, or silence."""
        if self._kernel.current is None:
            return self._carried(service, operation, parameters)
        parameters = _as_sent(parameters)
        if operation == "BatchGetItem":
            _put_in_order(parameters)
        if operation == _TRANSACTION:
            parameters.setdefault("ClientRequestToken", f"{self._kernel.dice.getrandbits(128):032x}")
        call = name_of(service, operation, parameters)
        blow = self._choose(call)
        for attempt in range(attempts):
            now = _at(blow, attempt)
            try:
                return self._try(now, partial(self._carried, service, operation, parameters, now))
            except Trouble as trouble:
                if attempt + 1 == attempts:
                    raise _aws_error(service, operation, trouble.fault, self._kernel) from None
                self._kernel.sleep(self._kernel.dice.randrange(SECOND))
            except Refused as refused:
                raise ClientError(_refusal(refused), operation) from None
        raise RuntimeError("a call is tried at least once")

    def http(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> HttpAnswer:
        """Make a call to a provider."""
        call = name_of_http(method, url)
        act = partial(self._cloud.provider, method, url, headers, body)
        if self._kernel.current is None:
            return _answer(act())
        try:
            return _answer(self._try(_at(self._choose(call), 0), act))
        except Trouble as trouble:
            status = _HTTP_FAULTS.get(trouble.fault)
            if status is not None:
                return HttpAnswer(status, b"{}", {})
            if trouble.fault is Fault.UNREACHED:
                raise NewConnectionError(None, "no connection") from None  # type: ignore[arg-type] # nobody looks at it
            raise ProtocolError("connection broken") from None

    def _choose(self, call: str) -> Blow | None:
        task = self._kernel.here()
        function = task.container.function
        self.calls[function, call] += 1
        blow = self._aimed(function, call) or self.chooser.choose(task, call)
        if blow:
            self.faults[function, call, blow.fault] += 1
        self._note(f"{call}{f'   <<< {blow.fault}' if blow else ''}")
        return blow

    def _aimed(self, function: str, call: str) -> Blow | None:
        """Take the next aim when it is at this call."""
        if not self.aims or (self.aims[0].function, self.aims[0].call) != (function, call):
            return None
        aim, *self.aims = self.aims
        return Blow(aim.fault, is_lasting=aim.fault in LASTING)

    def _try(self, fault: Fault | None, act: Callable[[], T]) -> T:
        """Wait, suffer the fault, act."""
        dice, task = self._kernel.dice, self._kernel.here()
        self._kernel.sleep(self.chooser.wait_us(task))
        container = task.container
        container.check()
        if fault is None:
            return act()
        if fault in _KILLS:
            self._kill(fault, act)
        if fault is Fault.SLOW:
            self._kernel.sleep(dice.randrange(AWS_TIMEOUT_US))
            container.check()
            return act()
        if fault in {Fault.STALE, Fault.PARTIAL, Fault.CONFLICT}:
            return act()
        if fault in _DONE:
            act()
        if fault is Fault.LOST:
            self._kernel.sleep(AWS_TIMEOUT_US)
            container.check()
        raise Trouble(fault)

    def _kill(self, fault: Fault, act: Callable[[], object]) -> None:
        kernel, container = self._kernel, self._kernel.here().container
        if fault is Fault.KILLED_AFTER or (fault is Fault.TIMED_OUT and kernel.dice.random() < 0.5):
            _quietly(act)
        if fault is Fault.KILLED_IN_FLIGHT:
            kernel.after(kernel.dice.randrange(MAX_FLIGHT_US), partial(_quietly, act))
        if fault is Fault.TIMED_OUT:
            kernel.sleep(max(0, container.ends_us - kernel.now_us))
        container.is_broken = True
        raise Killed

    def _carried(
        self, service: str, operation: str, parameters: Mapping[str, Any], fault: Fault | None = None
    ) -> dict[str, Any]:
        if fault is Fault.CONFLICT:
            raise _conflict(operation, parameters, self._kernel)
        if fault is Fault.PARTIAL and service == "sqs":
            return self._partly_queued(parameters)
        if service != "dynamodb":
            return self._cloud.aws(service, operation, parameters)
        try:
            return self._in_dynamo(operation, parameters, fault)
        finally:
            if operation in _WRITES:
                self._wrote()

    def _wrote(self) -> None:
        """Remember how much of each table is new, and let streams be looked at."""
        for name in self._cloud.dynamo.names():
            count = len(self._cloud.dynamo.changes(name))
            new = count - self._counts.get(name, 0)
            self._recent.extend([(self._kernel.now_us, name)] * new)
            self._counts[name] = count
        self.on_write()

    def _lag(self, parameters: Mapping[str, Any]) -> int:
        """Say how many changes a replica is behind: a few, and none that was made long ago."""
        while self._recent and self._recent[0][0] < self._kernel.now_us - MAX_LAG_US:
            self._recent.popleft()
        name = parameters.get("TableName") or next(iter(parameters["RequestItems"]))
        return int(min(self._kernel.dice.randint(1, 6), sum(table == name for _, table in self._recent)))

    def _in_dynamo(self, operation: str, parameters: Mapping[str, Any], fault: Fault | None) -> dict[str, Any]:
        dynamo, dice = self._cloud.dynamo, self._kernel.dice
        if operation == _TRANSACTION and self._kernel.current and dice.random() < self.gradual:
            return self._gradually(parameters)
        if fault is Fault.STALE or (operation in _READS and dice.random() < self.behind):
            return dynamo.call(operation, parameters, lag=self._lag(parameters))
        is_cut = fault is Fault.PARTIAL or dice.random() < self.unprocessed
        if is_cut and operation == "BatchGetItem":
            return dynamo.call(operation, parameters, most=dice.choice((0, 0, 1, 2)))
        if fault is Fault.PARTIAL:
            most = min(parameters.get("Limit", 3), dice.randint(1, 3))
            return dynamo.call(operation, {**parameters, "Limit": most})
        return dynamo.call(operation, parameters)

    def _gradually(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Let what was committed become visible item by item; AWS goes on with it, whatever becomes of the caller."""
        commit = self._cloud.dynamo.begin(parameters)
        kernel, at_us = self._kernel, 0
        hidden = list(commit.hidden)
        kernel.dice.shuffle(hidden)
        for number in hidden:
            at_us += kernel.dice.randrange(MAX_LATENCY_US)
            kernel.after(at_us, partial(self._shown, commit, number))
        kernel.after(at_us + 1, commit.finish)
        kernel.sleep(at_us + 2)
        return commit.finish()

    def _shown(self, commit: Commit, number: int) -> None:
        commit.show(number)
        self._wrote()

    def _partly_queued(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        entries = parameters["Entries"]
        taken = [entry for entry in entries if self._kernel.dice.random() < 0.5] if len(entries) > 1 else []
        answer = self._cloud.aws("sqs", "SendMessageBatch", {**parameters, "Entries": taken})
        failed = [{"Id": entry["Id"], "SenderFault": False} for entry in entries if entry not in taken]
        return {**answer, "Failed": failed}


def _at(blow: Blow | None, attempt: int) -> Fault | None:
    """Say what goes wrong with one try: an answer is lost once, then there is no connection."""
    if blow is None or (attempt and not blow.is_lasting):
        return None
    return Fault.UNREACHED if attempt and blow.fault is Fault.LOST else blow.fault


def _as_sent(value: Any) -> Any:  # noqa: ANN401 (what botocore takes)
    """Copy what is sent; members of enumerations become texts, as on the wire."""
    if isinstance(value, dict):
        return {name: _as_sent(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_as_sent(member) for member in value]
    return str.__str__(value) if isinstance(value, str) else value


def _put_in_order(parameters: Mapping[str, Any]) -> None:
    """PynamoDB takes keys from a set, whose order differs between processes."""
    for asked in parameters["RequestItems"].values():
        asked["Keys"].sort(key=str)


def _quietly(act: Callable[[], object]) -> None:
    with suppress(Refused):
        act()


def _answer(answer: Answer) -> HttpAnswer:
    return HttpAnswer(answer.status, json.dumps(answer.body).encode(), {"Content-Type": "application/json"})


def _conflict(operation: str, parameters: Mapping[str, Any], kernel: Kernel) -> Refused:
    if operation not in {_TRANSACTION, "TransactGetItems"}:
        return Refused("TransactionConflictException", "Transaction is ongoing for the item")
    if operation == _TRANSACTION and kernel.dice.random() < 0.1:
        return Refused("TransactionInProgressException", "The transaction with the given request token is in progress")
    reasons: list[dict[str, Any]] = [{"Code": "None"} for _ in parameters["TransactItems"]]
    code = kernel.dice.choice(("TransactionConflict", "TransactionConflict", "ThrottlingError"))
    reasons[kernel.dice.randrange(len(reasons))] = {"Code": code, "Message": "not now"}
    return Refused("TransactionCanceledException", "Transaction cancelled", reasons=reasons)


def _refusal(refused: Refused) -> Any:  # noqa: ANN401 (botocore's)
    response: dict[str, Any] = {
        "Error": {"Code": refused.code, "Message": refused.message},
        "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}},
    }
    if refused.reasons:
        response["CancellationReasons"] = refused.reasons
    if refused.item:
        response["Item"] = refused.item
    return response


def _aws_error(service: str, operation: str, fault: Fault, kernel: Kernel) -> Exception:
    if fault is Fault.UNREACHED:
        return ConnectTimeoutError(endpoint_url=ADDRESS)
    if fault is Fault.LOST:
        return ReadTimeoutError(endpoint_url=ADDRESS)
    if fault is Fault.FAILED:
        code, status = "InternalServerError", 500
    else:
        code, status = kernel.dice.choice(_THROTTLES.get(service, ("ThrottlingException",))), 400
    response: Any = {"Error": {"Code": code, "Message": fault}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)
