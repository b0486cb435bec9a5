"""Change the keys that webhooks are checked with, and take them away."""

import io
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from tallystick.adapters.providers.truelayer import jwks
from tallystick.domain.webhooks import Provider
from tests.functions import cloud, providers
from tests.functions.deliveries import problem_of, sent
from tests.support.moto import Snapshot
from tests.support.sealed import key_of

PUBLISHED_KEYS = jwks.published_keys
"""As they are really fetched."""

pytestmark = pytest.mark.usefixtures("small_world", "when_cases_were_signed")


def test_a_new_key_is_taken_at_its_first_call(age: SimpleNamespace) -> None:
    assert sent(b"{}")["statusCode"] == 200
    rotate(Provider.STRIPE, 7, 8)
    age.s += 30
    with cloud.watched() as calls:
        assert sent(b"[1]", number=8)["statusCode"] == 200
        assert sent(b"[2]", number=7)["statusCode"] == 200
        assert sent(b"[3]", number=8)["statusCode"] == 200
    assert calls.count("GetSecretValue") == 1


def test_an_old_key_is_refused_when_it_was_taken_out(age: SimpleNamespace) -> None:
    assert sent(b"{}")["statusCode"] == 200
    rotate(Provider.STRIPE, 8)
    age.s += 299
    assert sent(b"[1]")["statusCode"] == 200
    age.s += 1
    assert sent(b"[2]")["statusCode"] == 401


def test_forgeries_do_not_let_the_keys_be_read_each_time(age: SimpleNamespace) -> None:
    with cloud.watched() as calls:
        assert {sent(number=9)["statusCode"] for _ in range(50)} == {401}
        age.s += 30
        assert {sent(number=9)["statusCode"] for _ in range(50)} == {401}
    assert calls == ["GetSecretValue"] * 2


def test_published_keys_are_fetched_again_for_one_that_is_unknown(
    age: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    published, fetched = [key_of(Provider.TRUELAYER, 6)], [0]

    def fetch(_url: str) -> list[str]:
        fetched[0] += 1
        return list(published)

    monkeypatch.setattr(jwks, "published_keys", fetch)
    assert sent(b"{}", Provider.TRUELAYER)["statusCode"] == 401
    published.append(key_of(Provider.TRUELAYER))
    age.s += 30
    assert sent(b"{}", Provider.TRUELAYER)["statusCode"] == 200
    assert fetched == [2]


@pytest.mark.parametrize("keys", [[], [""], None, "", 5, {}, [None, 7]], ids=repr)
def test_without_a_key_nothing_is_genuine(keys: object, age: SimpleNamespace) -> None:
    cloud.write_secret(providers.WEBHOOK_KEYS_SECRET, {"stripe": keys})
    age.s += 300
    assert sent()["statusCode"] == 401


def test_a_single_key_needs_no_list(age: SimpleNamespace) -> None:
    cloud.write_secret(providers.WEBHOOK_KEYS_SECRET, {"stripe": key_of(Provider.STRIPE)})
    age.s += 300
    assert sent()["statusCode"] == 200


@pytest.mark.parametrize("code", ["InternalServiceError", "ResourceNotFoundException", "AccessDeniedException"])
def test_without_its_keys_no_call_is_judged(code: str, age: SimpleNamespace) -> None:
    before = Snapshot.take()
    with cloud.watched(before=cloud.refusing("GetSecretValue", code=code)):
        assert problem_of(sent()) == (503, "store-unavailable")
        assert problem_of(sent(number=9)) == (503, "store-unavailable")
    assert Snapshot.take().as_json() == before.as_json()
    assert sent()["statusCode"] == 200
    age.s += 300
    with cloud.watched(before=cloud.refusing("GetSecretValue", code=code)):
        assert problem_of(sent()) == (503, "store-unavailable")


@pytest.mark.parametrize("secret", ["[]", "whsec_plain", '{"stripe": "whsec_plain', '"whsec_plain"'])
def test_a_secret_that_cannot_be_read_is_not_told(secret: str, age: SimpleNamespace, log: io.StringIO) -> None:
    cloud.write_text(providers.WEBHOOK_KEYS_SECRET, secret)
    age.s += 300
    answered = sent()
    assert problem_of(answered) == (503, "store-unavailable")
    assert "whsec" not in answered["body"] + log.getvalue()


def test_without_published_keys_no_call_is_judged(
    configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "published_keys", PUBLISHED_KEYS)
    setting = providers.settings()[Provider.TRUELAYER]
    configure({Provider.TRUELAYER: {**setting, "jwks_url": f"{providers.NOWHERE}/jwks"}})
    assert problem_of(sent(b"{}", Provider.TRUELAYER)) == (503, "provider-unavailable")


def rotate(provider: Provider, *numbers: int) -> None:
    """Write other keys of a provider."""
    keys = {**providers.webhook_keys(), provider: [key_of(provider, number) for number in numbers]}
    cloud.write_secret(providers.WEBHOOK_KEYS_SECRET, keys)
