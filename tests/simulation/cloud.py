"""Play the services of AWS and the providers: carry a call out, with nothing going wrong."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from cli.local.sandbox.chains import MoonPay, Ramp
from cli.local.sandbox.messages import Answer, Provider, Request
from cli.local.sandbox.paystack import Paystack
from cli.local.sandbox.stellar import Stellar
from cli.local.sandbox.stripe import Stripe
from cli.local.sandbox.truelayer import TrueLayer
from tests.functions import providers
from tests.simulation.dynamo import Dynamo
from tests.simulation.faults import WEAK
from tests.simulation.kernel import SECOND, Kernel

MAX_RECEIVES: Final = 50
"""As `infra` deploys them."""


@dataclass(slots=True)
class Message:
    """Hold a message of a queue."""

    number: int
    body: str
    visible_us: int
    receives: int = 0
    receipt: str = ""


@dataclass(slots=True)
class Queue:
    """Hold a queue and its dead letters; `told` is called when there may be something to fetch, with its time."""

    name: str
    kernel: Kernel
    visibility_s: int
    messages: list[Message] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    told: Callable[[int], None] = lambda _at_us: None
    _numbers: Iterator[int] = field(default_factory=count)

    def send(self, body: str, delay_us: int = 0) -> None:
        """Take a message in."""
        self.messages.append(Message(next(self._numbers), body, self.kernel.now_us + delay_us))
        self.told(delay_us)

    def hide(self, receipt: str, seconds: int) -> None:
        """Put a message off that was received."""
        for message in self.messages:
            if message.receipt == receipt:
                message.visible_us = self.kernel.now_us + seconds * SECOND
                self.told(seconds * SECOND)

    def receive(self, most: int) -> list[Message]:
        """Hand out what can be seen, in any order; what was handed out too often is dead."""
        seen = [message for message in self.messages if message.visible_us <= self.kernel.now_us]
        self.kernel.dice.shuffle(seen)
        taken = []
        for message in seen[:most]:
            if message.receives >= MAX_RECEIVES:
                self.dead.append(message.body)
                self.messages.remove(message)
                continue
            message.receives += 1
            message.receipt = f"{self.name}-{message.number}-{message.receives}"
            message.visible_us = self.kernel.now_us + self.visibility_s * SECOND
            self.told(self.visibility_s * SECOND)
            taken.append(message)
        return taken

    def delete(self, message: Message) -> None:
        """Forget a message that was handled."""
        if message in self.messages:
            self.messages.remove(message)


@dataclass(frozen=True, slots=True)
class Providers:
    """Hold the fake providers by their names."""

    by_name: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 (each is of its own kind)
        """Give one."""
        return self.by_name[name]

    @classmethod
    def new(cls) -> "Providers":
        """Begin with nothing."""
        kinds: dict[str, Callable[[], Provider]] = {
            "moonpay": MoonPay,
            "paystack": Paystack,
            "ramp": Ramp,
            "stellar": Stellar,
            "stripe": Stripe,
            "truelayer": TrueLayer,
        }
        return cls({name: make() for name, make in kinds.items()})


class Cloud:
    """Hold everything that functions call."""

    def __init__(self, kernel: Kernel, schemas: Sequence[Mapping[str, Any]]) -> None:
        """Make empty tables and queues."""
        self.kernel = kernel
        self.hidden_reasons = 0.0
        self.dynamo = Dynamo(
            clock=lambda: kernel.now_us // SECOND, hide=lambda _number: kernel.dice.random() < self.hidden_reasons
        )
        for schema in schemas:
            self.dynamo.call("CreateTable", schema)
        self.queues = {
            url: Queue(name, kernel, visibility_s=360)
            for name, url in (
                ("webhooks", providers.QUEUE_URL),
                ("payouts", providers.PAYOUT_QUEUE_URL),
                ("reconciliation", providers.RECONCILIATION_QUEUE_URL),
            )
        }
        self.providers = Providers.new()
        self.published: list[dict[str, Any]] = []
        self._services: dict[str, Callable[..., dict[str, Any]]] = {
            "sqs": self._sqs,
            "sns": self._sns,
            "secretsmanager": self._secrets,
        }

    def aws(self, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Carry a call out that is none to DynamoDB."""
        return self._services[service](operation, parameters)

    def provider(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Carry a call to a provider out."""
        if not url.startswith(providers.NOWHERE):
            return Answer(200, {"keys": _published_keys()})
        name, path, query = _address(url)
        lowered = {key.lower(): value for key, value in headers.items()}
        answer: Answer = self.providers[name].answer(Request(method, path, query, lowered, body or b""))
        return answer

    def queue(self, name: str) -> Queue:
        """Find a queue."""
        return next(queue for queue in self.queues.values() if queue.name == name)

    def _sqs(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        queue = self.queues[parameters["QueueUrl"]]
        if operation == "ChangeMessageVisibility":
            queue.hide(parameters["ReceiptHandle"], parameters["VisibilityTimeout"])
            return {}
        for entry in parameters["Entries"]:
            queue.send(entry["MessageBody"])
        return {"Successful": [{"Id": entry["Id"]} for entry in parameters["Entries"]]}

    def _sns(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 (there is one)
        self.published.append(json.loads(parameters["Message"]))
        return {"MessageId": str(len(self.published))}

    def _secrets(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 (there is one)
        return {"SecretString": _secret(parameters["SecretId"])}


def name_of(service: str, operation: str, parameters: Mapping[str, Any]) -> str:
    """Name a call by what it does and where: this is a row of the coverage table."""
    if service != "dynamodb":
        where = parameters.get("QueueUrl") or parameters.get("SecretId") or ""
        return f"{operation} {where.rpartition('/')[2]}".strip()
    return _NAMES.get(operation, _plain_name)(operation, parameters)


def name_of_http(method: str, url: str) -> str:
    """Name a call to a provider; ids in its path are left out."""
    if not url.startswith(providers.NOWHERE):
        return f"{method} published keys"
    name, path, _ = _address(url)
    return f"{method} {name} {_template(path)}"


@cache
def _template(path: str) -> str:
    return "/".join("*" if any(c.isdigit() for c in part[2:]) or len(part) > 30 else part for part in path.split("/"))


def _address(url: str) -> tuple[str, str, dict[str, str]]:
    parts = urlsplit(url.removeprefix(providers.NOWHERE))
    _, name, path = parts.path.split("/", 2)
    return name, f"/{path}", dict(parse_qsl(parts.query, keep_blank_values=True))


def _plain_name(operation: str, parameters: Mapping[str, Any]) -> str:
    index = parameters.get("IndexName")
    name = f"{operation} {parameters['TableName']}" + (f".{index}" if index else "")
    is_weak = operation in {"GetItem", "Query", "Scan"} and not parameters.get("ConsistentRead")
    return name + WEAK if is_weak else name


def _batch_name(operation: str, parameters: Mapping[str, Any]) -> str:
    asked = parameters["RequestItems"]
    weak = any(not one.get("ConsistentRead") for one in asked.values())
    return f"{operation} {'+'.join(asked)}" + (WEAK if weak else "")


def _transaction_name(operation: str, parameters: Mapping[str, Any]) -> str:
    tables = dict.fromkeys(part["TableName"] for item in parameters["TransactItems"] for part in item.values())
    return f"{operation} {'+'.join(sorted(tables))}"


_NAMES: Final = {
    "BatchGetItem": _batch_name,
    "TransactGetItems": _transaction_name,
    "TransactWriteItems": _transaction_name,
}


@cache
def _secret(secret_id: str) -> str:
    kept: dict[str, Callable[[], Any]] = {
        providers.WEBHOOK_KEYS_SECRET: providers.webhook_keys,
        providers.PROVIDER_KEYS_SECRET: providers.provider_keys,
    }
    return json.dumps(kept[secret_id]())


@cache
def _published_keys() -> tuple[Any, ...]:
    return tuple(map(json.loads, providers.truelayer_keys()))
