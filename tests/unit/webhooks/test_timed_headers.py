import pytest

from tallystick.domain.webhooks import Provider
from tests.support.sealed import NOW_S, SEALS, delivery, key_of, secret_of, short, signed, verdict

BODY = b'{"id":"evt_1"}'
NAMES = {Provider.STRIPE: "stripe-signature", Provider.MOONPAY: "moonpay-signature-v2", Provider.STELLAR: "signature"}
SCHEMES = {Provider.STRIPE: "v1", Provider.MOONPAY: "s", Provider.STELLAR: "s"}

timed = pytest.mark.parametrize("provider", NAMES)


def sealed_with(provider: Provider, header: str) -> str:
    return verdict(delivery(provider, BODY, {NAMES[provider]: header}))


def signature(provider: Provider, number: int = 7) -> str:
    header = signed(provider, BODY, number=number).headers[NAMES[provider]]
    return header.partition(f"{SCHEMES[provider]}=")[2]


@timed
def test_the_time_of_signing_is_told_in_milliseconds(provider: Provider) -> None:
    assert SEALS[provider].verify(signed(provider, BODY), [key_of(provider)]) == NOW_S * 1000


@timed
@pytest.mark.parametrize(
    "written", ["t={t},{s}={sig}", "t={t}, {s}={sig}", " t={t} ,\t{s}={sig} ", "{s}={sig},t={t}", "t={t},x,{s}={sig},"]
)
def test_order_spaces_and_unknown_members_make_no_difference(provider: Provider, written: str) -> None:
    header = written.format(t=NOW_S, s=SCHEMES[provider], sig=signature(provider))
    assert sealed_with(provider, header) == "genuine"


@timed
@pytest.mark.parametrize(
    "written",
    [
        "nonsense",
        ",",
        "=",
        "t=",
        "{s}={sig}",
        "t={t}",
        "t={t},v0={sig}",
        "t={t},{S}={sig}",
        "T={t},{s}={sig}",
        "t={t},t={t},{s}={sig}",
        "t={t},{s}={sig},t={t},{s}={sig}",
        "t={t};{s}={sig}",
        "t =  {t},{s}={sig}",
        "t,{s}={sig}",
    ],
)
def test_a_header_that_is_not_one_time_and_a_signature_is_bad(provider: Provider, written: str) -> None:
    header = written.format(t=NOW_S, s=SCHEMES[provider], S=SCHEMES[provider].upper(), sig=signature(provider))
    assert sealed_with(provider, header) == "bad-header"


@timed
@pytest.mark.parametrize(
    "time",
    [
        "-1",
        "+1767225600",
        "1767225600.0",
        "1_767_225_600",
        "0x1",
        "1e9",
        " 1767225600",
        "1767225600000",
        "9" * 5000,
        "\N{ARABIC-INDIC DIGIT ONE}",
        "\N{SUPERSCRIPT TWO}",
        "\N{FULLWIDTH DIGIT ONE}",
    ],
    ids=short,
)
def test_a_time_is_a_few_ascii_digits(provider: Provider, time: str) -> None:
    assert sealed_with(provider, f"t={time},{SCHEMES[provider]}={signature(provider)}") == "bad-header"


@timed
def test_the_time_is_signed_as_it_was_written(provider: Provider) -> None:
    header = f"t=0{NOW_S},{SCHEMES[provider]}={signature(provider)}"
    assert sealed_with(provider, header) == "signature-mismatch"


def test_any_of_several_signatures_of_stripe_may_match() -> None:
    old, new = signature(Provider.STRIPE, 8), signature(Provider.STRIPE)
    for first, second in [(old, new), (new, old)]:
        assert sealed_with(Provider.STRIPE, f"t={NOW_S},v1={first},v1={second}") == "genuine"


def test_stripe_s_other_schemes_count_for_nothing() -> None:
    wrong, right = "0" * 64, signature(Provider.STRIPE)
    assert sealed_with(Provider.STRIPE, f"t={NOW_S},v1={right},v0={wrong},v2={wrong}") == "genuine"
    assert sealed_with(Provider.STRIPE, f"t={NOW_S},v1={wrong},v0={right},v2={right}") == "signature-mismatch"


@pytest.mark.parametrize("provider", [Provider.MOONPAY, Provider.STELLAR])
def test_the_others_send_one_signature(provider: Provider) -> None:
    right = signature(provider)
    assert sealed_with(provider, f"t={NOW_S},s={right},s={right}") == "bad-header"


def test_moonpay_s_legacy_header_is_not_looked_at() -> None:
    header = f"t={NOW_S},s={signature(Provider.MOONPAY)}"
    assert verdict(delivery(Provider.MOONPAY, BODY, {"Moonpay-Signature": header})) == "missing-header"


def test_stellar_s_deprecated_header_counts_where_the_other_is_missing() -> None:
    right, wrong = (f"t={NOW_S},s={signature(Provider.STELLAR, number)}" for number in (7, 8))
    for headers, expected in [
        ({"X-Stellar-Signature": right}, "genuine"),
        ({"Signature": "", "X-Stellar-Signature": right}, "genuine"),
        ({"Signature": right, "X-Stellar-Signature": wrong}, "genuine"),
        ({"Signature": wrong, "X-Stellar-Signature": right}, "signature-mismatch"),
    ]:
        assert verdict(delivery(Provider.STELLAR, BODY, headers)) == expected


def test_stellar_signs_the_host() -> None:
    call = signed(Provider.STELLAR, BODY)
    assert verdict(delivery(Provider.STELLAR, BODY, call.headers, host="evil.example.test")) == "signature-mismatch"
    assert verdict(delivery(Provider.STELLAR, BODY, call.headers, host="\ud800")) == "signature-mismatch"


def test_the_secret_of_stripe_is_the_whole_text() -> None:
    secret = str(secret_of(Provider.STRIPE))
    assert verdict(signed(Provider.STRIPE, BODY), secret.removeprefix("test_")) == "signature-mismatch"
