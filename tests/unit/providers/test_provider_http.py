import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal

import pytest

from tallystick.adapters.providers import http
from tallystick.adapters.providers.http import ProviderHttp, Reply
from tallystick.adapters.providers.reading import Document
from tallystick.domain.errors import ProviderRefused, ProviderUnavailable
from tests.support.sandbox import RunningSandbox

KEY = {"Authorization": "Api-Key secret-1"}


class Thing(Document):
    id: str


@contextmanager
def raw_server(*answers: bytes) -> Iterator[str]:
    """Answer one connection after the other with these bytes, and close each."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        thread = threading.Thread(target=_answer, args=(listener, answers))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        finally:
            thread.join()


def _answer(listener: socket.socket, answers: tuple[bytes, ...]) -> None:
    with suppress(TimeoutError):
        for each in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(each)


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def unavailable(act: Callable[[], object]) -> str:
    with pytest.raises(ProviderUnavailable) as caught:
        act()
    assert caught.value.members == {"provider": "moonpay"}
    assert caught.value.__cause__ is None
    assert "secret" not in f"{caught.value!r}"
    return caught.value.detail


@pytest.fixture
def moonpay(sandbox: RunningSandbox) -> ProviderHttp:
    sandbox.put("moonpay", "tx_1", status="pending")
    return ProviderHttp("moonpay", sandbox.url("moonpay") + "/")


@pytest.fixture
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PAUSES_S", (0.0, 0.0))


def get(moonpay: ProviderHttp) -> Reply:
    return moonpay.get("/v1/transactions/tx_1", KEY, {"secret": "secret-2"})


def post(moonpay: ProviderHttp, *, repeatable: bool) -> Reply:
    return moonpay.post("/v1/transactions", KEY, b"secret-3", repeatable=repeatable)


def test_an_answer_is_read(moonpay: ProviderHttp, sandbox: RunningSandbox) -> None:
    assert get(moonpay).find(Thing) == Thing(id="tx_1")
    (call,) = sandbox.calls("moonpay")
    assert call["query"] == {"secret": "secret-2"}
    assert call["headers"]["accept"] == "application/json"


def test_what_is_not_there_is_nothing_or_refused(moonpay: ProviderHttp) -> None:
    reply = moonpay.get("/v1/transactions/tx_2", KEY)
    assert reply.find(Thing) is None
    with pytest.raises(ProviderRefused):
        reply.read(Thing)


def test_one_connection_serves_many_calls(moonpay: ProviderHttp, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "urllib3.connectionpool"):
        for _ in range(3):
            get(moonpay)
    assert sum("Starting new HTTP connection" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_a_provider_that_cannot_now_is_asked_three_times(
    moonpay: ProviderHttp, sandbox: RunningSandbox, status: int
) -> None:
    sandbox.fail("moonpay", status=status, times=2)
    assert get(moonpay).status == 200
    sandbox.fail("moonpay", status=status, times=3)
    assert unavailable(lambda: get(moonpay)) == f"moonpay answered {status}; try again."
    assert len(sandbox.calls("moonpay")) == 6


def test_what_could_be_done_twice_is_asked_once(moonpay: ProviderHttp, sandbox: RunningSandbox) -> None:
    sandbox.fail("moonpay", status=503, times=2)
    unavailable(lambda: post(moonpay, repeatable=False))
    assert len(sandbox.calls("moonpay")) == 1
    assert post(moonpay, repeatable=True).status == 404
    assert len(sandbox.calls("moonpay")) == 3


@pytest.mark.parametrize("status", [400, 401, 402, 403, 422])
def test_a_refusal_is_not_repeated_and_tells_nothing(
    moonpay: ProviderHttp, sandbox: RunningSandbox, status: int
) -> None:
    sandbox.fail("moonpay", status=status)
    with pytest.raises(ProviderRefused) as caught:
        get(moonpay).find(Thing)
    assert caught.value.detail == f"moonpay refused it ({status})."
    assert len(sandbox.calls("moonpay")) == 1


def test_it_pauses_before_each_further_try(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    paused: list[float] = []
    monkeypatch.setattr(time, "sleep", paused.append)
    sandbox.fail("moonpay", status=503, times=3)
    unavailable(lambda: get(ProviderHttp("moonpay", sandbox.url("moonpay"))))
    assert paused == [0.3]


def test_a_provider_that_takes_too_long_does_not_answer(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.2)
    sandbox.fail("moonpay", delay_ms=500, times=3)
    started = time.monotonic()
    told = unavailable(lambda: get(ProviderHttp("moonpay", sandbox.url("moonpay"))))
    assert told == "moonpay did not answer (ReadTimeoutError); try again."
    assert time.monotonic() - started < 2


@pytest.mark.usefixtures("_no_pauses")
def test_nobody_there_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    told = unavailable(lambda: get(ProviderHttp("moonpay", f"http://127.0.0.1:{port}")))
    assert told == "moonpay did not answer (NewConnectionError); try again."


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ",
    ],
)
def test_an_answer_that_breaks_off_is_none(text: bytes) -> None:
    with raw_server(text, text, text) as url:
        assert "did not answer" in unavailable(lambda: get(ProviderHttp("moonpay", url)))


@pytest.mark.usefixtures("_no_pauses")
@pytest.mark.parametrize(
    "text",
    [b"not json", b"null", b'{"a": NaN}', b'{"a": 1e999999999999999999999}', b"[" * 100_000, b"\xff"],
    ids=["text", "null", "nan", "huge", "deep", "no-utf8"],
)
def test_an_answer_that_is_no_object_is_not_documented(text: bytes) -> None:
    with raw_server(*[answer(text)] * 3) as url:
        assert "does not document" in unavailable(lambda: get(ProviderHttp("moonpay", url)))


@pytest.mark.parametrize(("text", "items"), [(b"[]", []), (b'[{"id": "1"}, 2]', [{"id": "1"}, 2])])
def test_a_list_has_items_and_is_no_object(text: bytes, items: list[object]) -> None:
    with raw_server(answer(text)) as url:
        reply = get(ProviderHttp("moonpay", url))
    assert reply.body == {http.ITEMS: items}
    assert "does not document" in unavailable(lambda: reply.read(Thing))


def test_a_refusal_that_is_a_list_says_nothing() -> None:
    with raw_server(answer(b'["no"]', "400 Bad Request")) as url:
        assert get(ProviderHttp("moonpay", url)).body == {}


def test_an_answer_that_is_another_object_is_not_documented() -> None:
    assert "does not document" in unavailable(lambda: Reply("moonpay", 200, {"id": 7}).read(Thing))


def test_a_refusal_may_be_anything() -> None:
    with raw_server(answer(b"<html>", "404 Not Found")) as url:
        assert ProviderHttp("moonpay", url).get("/x", {}).find(Thing) is None


@pytest.mark.usefixtures("_no_pauses")
def test_too_long_an_answer_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 100)
    text = answer(b'{"id": "' + b"x" * 200 + b'"}')
    with raw_server(text, text, text) as url:
        assert "does not document" in unavailable(lambda: get(ProviderHttp("moonpay", url)))


@pytest.mark.parametrize("status", ["301 Moved Permanently", "307 Temporary Redirect"])
def test_nobody_is_sent_elsewhere(sandbox: RunningSandbox, status: str) -> None:
    text = answer(b"{}", status, f"Location: {sandbox.url('moonpay')}/v1/transactions/tx_1")
    with raw_server(text, text, text) as url:
        assert unavailable(lambda: get(ProviderHttp("moonpay", url))) == f"moonpay answered {status[:3]}; try again."
    assert sandbox.calls("moonpay") == []


def test_numbers_of_an_answer_are_exact() -> None:
    with raw_server(answer(b'{"a": 0.1, "b": 12345678901234567890.12}')) as url:
        body = ProviderHttp("moonpay", url).get("/x", {}).body
    assert body == {"a": Decimal("0.1"), "b": Decimal("12345678901234567890.12")}


def test_nothing_of_a_call_is_logged(sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture) -> None:
    sandbox.fail("moonpay", lost=True, times=3)
    with caplog.at_level(logging.INFO):
        unavailable(lambda: get(ProviderHttp("moonpay", sandbox.url("moonpay"))))
    assert "secret" not in caplog.text
