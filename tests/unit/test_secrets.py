"""Check what becomes of what Secrets Manager answers, and that nothing of a secret reaches an error."""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import Stubber

from tallystick.adapters.secrets import JsonSecrets
from tallystick.domain.errors import StoreUnavailable

NAME: Final = "tallystick/webhook-keys"


@pytest.fixture(scope="module")
def client() -> Any:  # noqa: ANN401 (botocore makes clients at run time)
    return JsonSecrets("eu-west-1")._client  # noqa: SLF001 (made once: it takes long)


@pytest.fixture
def secrets(client: Any) -> JsonSecrets:  # noqa: ANN401
    secrets = JsonSecrets("eu-west-1")
    secrets.__dict__["_client"] = client
    return secrets


@pytest.fixture
def stubber(client: Any) -> Iterator[Stubber]:  # noqa: ANN401
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_a_secret_is_a_json_object(secrets: JsonSecrets, stubber: Stubber) -> None:
    text = '{"stripe": ["whsec_1", "größer"], "ramp": "one"}'
    stubber.add_response("get_secret_value", {"SecretString": text}, {"SecretId": NAME})
    assert secrets.read(NAME) == {"stripe": ["whsec_1", "größer"], "ramp": "one"}


def test_a_secret_is_read_anew_each_time(secrets: JsonSecrets, stubber: Stubber) -> None:
    for text in ('{"a": 1}', '{"a": 2}'):
        stubber.add_response("get_secret_value", {"SecretString": text})
    assert [secrets.read(NAME), secrets.read(NAME)] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("text", [" ", "hunter2", '{"hunter2"', '["hunter2"]', '"hunter2"', "null", "7"])
def test_what_is_no_json_object_cannot_be_read_and_is_not_shown(
    secrets: JsonSecrets, stubber: Stubber, text: str
) -> None:
    stubber.add_response("get_secret_value", {"SecretString": text})
    with pytest.raises(StoreUnavailable) as unavailable:
        secrets.read(NAME)
    assert "hunter2" not in f"{unavailable.value!r} {unavailable.value.members}"
    assert unavailable.value.__suppress_context__ or unavailable.value.__context__ is None


def test_a_secret_of_bytes_cannot_be_read(secrets: JsonSecrets, stubber: Stubber) -> None:
    stubber.add_response("get_secret_value", {"SecretBinary": b"hunter2"})
    with pytest.raises(StoreUnavailable):
        secrets.read(NAME)


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException", "ThrottlingException"])
def test_any_error_means_try_again(secrets: JsonSecrets, stubber: Stubber, code: str) -> None:
    stubber.add_client_error("get_secret_value", code)
    with pytest.raises(StoreUnavailable):
        secrets.read(NAME)


def test_silence_means_try_again(secrets: JsonSecrets, client: Any) -> None:  # noqa: ANN401
    def fall_silent(**_: object) -> None:
        raise ConnectTimeoutError(endpoint_url="x")

    event = "before-call.secrets-manager.GetSecretValue"
    client.meta.events.register(event, fall_silent)
    try:
        with pytest.raises(StoreUnavailable):
            secrets.read(NAME)
    finally:
        client.meta.events.unregister(event, fall_silent)
