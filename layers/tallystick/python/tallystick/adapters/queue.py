"""Hand keys over through SQS, and put off the messages of those whose time has not come."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import ClientError

from tallystick.adapters.sdk import open_client
from tallystick.adapters.silence import SILENCE
from tallystick.domain.errors import StoreUnavailable

MAX_BATCH: Final = 10
MAX_VISIBILITY_S: Final = 43_200


class SqsQueue:
    """Implement `tallystick.services.ports.agenda.Queue`; a message is nothing but a key."""

    def __init__(self, queue_url: str, region: str) -> None:
        """Name the queue; nothing is opened before the first message."""
        self._queue_url = queue_url
        self._region = region

    def send(self, keys: Sequence[str]) -> None:
        """Queue keys, ten to a call.

        Raises:
            StoreUnavailable: some may not be queued.
        """
        for start in range(0, len(keys), MAX_BATCH):
            self._send_batch(keys[start : start + MAX_BATCH])

    def put_off(self, receipt_handle: str, wait_ms: int) -> None:
        """Hide a message that was received for so long, rounded up to seconds.

        Raises:
            StoreUnavailable: it will come back after the queue's own time.
        """
        seconds = min(-(-wait_ms // 1000), MAX_VISIBILITY_S)
        with _troubles():
            self._client.change_message_visibility(
                QueueUrl=self._queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )

    def _send_batch(self, keys: Sequence[str]) -> None:
        entries = [{"Id": str(number), "MessageBody": key} for number, key in enumerate(keys)]
        with _troubles():
            answer = self._client.send_message_batch(QueueUrl=self._queue_url, Entries=entries)
        if answer.get("Failed"):
            raise StoreUnavailable("The queue did not take everything.")

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 (botocore makes clients at run time)
        return open_client("sqs", self._region)


@contextmanager
def _troubles() -> Iterator[None]:
    try:
        yield
    except (ClientError, *SILENCE) as error:
        raise StoreUnavailable("The queue did not answer.") from error
