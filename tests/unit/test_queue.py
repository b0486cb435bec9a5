"""Check what is sent to SQS and what its answers and errors turn into, without a network."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from botocore.stub import Stubber

from tallystick.adapters.queue import MAX_BATCH, SqsQueue
from tallystick.domain.errors import StoreUnavailable

URL: Final = "https://sqs.eu-west-1.amazonaws.com/000000000000/webhooks"
KEYS: Final = [f"{number:064}" for number in range(25)]
CALLS: Final[dict[str, tuple[str, Callable[[SqsQueue], None]]]] = {
    "SendMessageBatch": ("send_message_batch", lambda queue: queue.send(["key"])),
    "ChangeMessageVisibility": ("change_message_visibility", lambda queue: queue.put_off("receipt", 1000)),
}
every_call = pytest.mark.parametrize(("operation", "method", "call"), [(name, *call) for name, call in CALLS.items()])


@pytest.fixture(scope="module")
def client() -> Any:  # noqa: ANN401 (botocore makes clients at run time)
    return SqsQueue(URL, "eu-west-1")._client  # noqa: SLF001 (made once: it takes long)


@pytest.fixture
def queue(client: Any) -> SqsQueue:  # noqa: ANN401
    queue = SqsQueue(URL, "eu-west-1")
    queue.__dict__["_client"] = client
    return queue


@pytest.fixture
def stubber(client: Any) -> Iterator[Stubber]:  # noqa: ANN401
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def batch(keys: list[str]) -> dict[str, Any]:
    return {"QueueUrl": URL, "Entries": [{"Id": str(n), "MessageBody": key} for n, key in enumerate(keys)]}


def taken(keys: list[str]) -> dict[str, Any]:
    entries = [{"Id": str(n), "MessageId": f"m{n}", "MD5OfMessageBody": "0" * 32} for n in range(len(keys))]
    return {"Successful": entries, "Failed": []}


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 25])
def test_events_are_queued_ten_to_a_call_and_none_is_left_out(queue: SqsQueue, stubber: Stubber, count: int) -> None:
    for start in range(0, count, MAX_BATCH):
        part = KEYS[start : min(start + MAX_BATCH, count)]
        stubber.add_response("send_message_batch", taken(part), batch(part))
    queue.send(KEYS[:count])


@pytest.mark.parametrize("failed", [0, 2])
def test_a_batch_of_which_some_were_not_taken_may_be_sent_again(queue: SqsQueue, stubber: Stubber, failed: int) -> None:
    answer = taken(KEYS[:2])
    answer["Failed"] = [{"Id": str(failed), "SenderFault": False, "Code": "InternalError"}]
    stubber.add_response("send_message_batch", answer)
    with pytest.raises(StoreUnavailable):
        queue.send(KEYS[:3])


def test_what_follows_a_batch_that_failed_is_not_sent(queue: SqsQueue, stubber: Stubber) -> None:
    stubber.add_client_error("send_message_batch", "ServiceUnavailable", http_status_code=503)
    with pytest.raises(StoreUnavailable):
        queue.send(KEYS)


@pytest.mark.parametrize(
    ("wait_ms", "seconds"),
    [
        (0, 0),
        (1, 1),
        (999, 1),
        (1000, 1),
        (1001, 2),
        (60_000, 60),
        (43_200_000, 43_200),
        (43_200_001, 43_200),
        (10**12, 43_200),
    ],
)
def test_a_message_is_hidden_at_least_as_long_as_its_event_has_to_wait_and_at_most_as_sqs_can(
    queue: SqsQueue, stubber: Stubber, wait_ms: int, seconds: int
) -> None:
    sent = {"QueueUrl": URL, "ReceiptHandle": "receipt", "VisibilityTimeout": seconds}
    stubber.add_response("change_message_visibility", {}, sent)
    queue.put_off("receipt", wait_ms)


@every_call
@pytest.mark.parametrize("code", ["RequestThrottled", "AccessDenied", "AWS.SimpleQueueService.NonExistentQueue"])
def test_any_error_of_the_queue_means_try_again(
    queue: SqsQueue, stubber: Stubber, operation: str, method: str, call: Callable[[SqsQueue], None], code: str
) -> None:
    stubber.add_client_error(method, code)
    with pytest.raises(StoreUnavailable) as unavailable:
        call(queue)
    assert operation not in str(unavailable.value)


@every_call
@pytest.mark.parametrize(
    "silence", [error(endpoint_url="x") for error in (ConnectTimeoutError, ReadTimeoutError, EndpointConnectionError)]
)
def test_silence_means_try_again(
    queue: SqsQueue,
    client: Any,  # noqa: ANN401
    operation: str,
    method: str,
    call: Callable[[SqsQueue], None],
    silence: Exception,
) -> None:
    def fall_silent(**_: object) -> None:
        raise silence

    assert hasattr(client, method)
    event = f"before-call.sqs.{operation}"
    client.meta.events.register(event, fall_silent)
    try:
        with pytest.raises(StoreUnavailable):
            call(queue)
    finally:
        client.meta.events.unregister(event, fall_silent)
