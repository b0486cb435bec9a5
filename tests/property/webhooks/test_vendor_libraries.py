import base64
import json

import pytest
import stripe
import truelayer_signing as truelayer  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from stellar_sdk import Keypair

from cli.webhooks import signers
from tallystick.domain.webhooks import Provider
from tests.property.webhooks.drawn import bodies, texts
from tests.support.sealed import HOST, NOW_S, PATH, SEALS, delivery, key_of, secret_of, signed, verdict

BODIES = bodies | texts
names = st.sampled_from(["X-Tl-Webhook-Timestamp", "X-TL-Webhook-Timestamp", "x-tl-webhook-timestamp"])
values = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20)
whsec = st.text(st.characters(codec="ascii"), min_size=1).filter(str.strip)
clock = st.integers(0, 4_102_444_800)


@given(body=BODIES, secret=whsec, at_s=clock)
def test_what_stripe_s_library_signs_is_genuine(body: bytes, secret: str, at_s: int) -> None:
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at_s)
    call = delivery(Provider.STRIPE, body, {"Stripe-Signature": header})
    assert SEALS[Provider.STRIPE].verify(call, [secret]) == at_s * 1000


@given(body=BODIES, secret=whsec, at_s=clock)
def test_stripe_s_library_accepts_what_we_sign(body: bytes, secret: str, at_s: int) -> None:
    headers = signers.sign(Provider.STRIPE, body, secret, at_s=at_s, host=HOST, path=PATH)
    assert stripe.WebhookSignature.verify_header(body, headers["Stripe-Signature"], secret)


@given(body=BODIES, number=st.integers(1, 2**256 - 1), at_s=clock)
def test_what_stellar_s_library_signs_is_genuine(body: bytes, number: int, at_s: int) -> None:
    keypair = Keypair.from_raw_ed25519_seed(number.to_bytes(32))
    signature = base64.b64encode(keypair.sign(f"{at_s}.{HOST}.".encode() + body)).decode()
    call = delivery(Provider.STELLAR, body, {"Signature": f"t={at_s}, s={signature}"})
    assert SEALS[Provider.STELLAR].verify(call, [keypair.public_key]) == at_s * 1000


@given(body=BODIES, number=st.integers(1, 2**256 - 1), strkey=st.booleans())
def test_stellar_s_library_accepts_what_we_sign(body: bytes, number: int, *, strkey: bool) -> None:
    keypair = Keypair.from_raw_ed25519_seed(number.to_bytes(32))
    secret = keypair.secret if strkey else number.to_bytes(32)
    headers = signers.sign(Provider.STELLAR, body, secret, at_s=NOW_S, host=HOST, path=PATH)
    signature = base64.b64decode(headers["Signature"].partition("s=")[2])
    keypair.verify(f"{NOW_S}.{HOST}.".encode() + body, signature)
    assert signers.public_key(Provider.STELLAR, secret) == keypair.public_key


@given(body=BODIES, name=names, more=values, slash=st.sampled_from(["", "/"]), last=st.booleans())
def test_what_truelayer_s_library_signs_is_genuine(
    body: bytes, name: str, more: str, slash: str, *, last: bool
) -> None:
    time = {name: "2026-01-01T00:00:00Z"}
    headers = {"X-More": more} | time if last else time | {"X-More": more}
    signer = truelayer.sign_with_pem(signers.TRUELAYER_KID, secret_of(Provider.TRUELAYER))
    signer.set_path(PATH + slash).add_headers(headers).set_body(body.decode()).set_jku(signers.TRUELAYER_JKU)
    call = delivery(Provider.TRUELAYER, body, headers | {"Tl-Signature": signer.sign()})
    assert SEALS[Provider.TRUELAYER].verify(call, [key_of(Provider.TRUELAYER)]) == NOW_S * 1000


def accepted(body: bytes, path: str) -> str:
    call = signed(Provider.TRUELAYER, body, path=path)
    signature = call.headers["tl-signature"]
    jwks = {"keys": [json.loads(key_of(Provider.TRUELAYER))]}
    verifier = truelayer.verify_with_jwks(jwks, truelayer.extract_jws_header(signature))
    verifier.set_method(truelayer.HttpMethod.POST).set_path(PATH).add_headers(call.headers).set_body(body.decode())
    verifier.add_required_header("X-TL-Webhook-Timestamp").verify(signature)
    return verdict(delivery(Provider.TRUELAYER, body, call.headers, path=PATH))


@given(body=BODIES, slash=st.sampled_from(["", "/"]))
def test_truelayer_s_library_accepts_what_we_sign_and_the_slash_as_we_do(body: bytes, slash: str) -> None:
    assert accepted(body, PATH + slash) == "genuine"


def test_truelayer_s_library_refuses_another_path_as_we_do() -> None:
    with pytest.raises(truelayer.errors.TlSigningException):
        accepted(b"{}", PATH + "/more")


SPOILT = ["t=1", "v1=ab", "", "t=x,v1=ab", "t=1,v0=ab"]


@pytest.mark.parametrize("header", SPOILT)
def test_stripe_s_library_refuses_what_we_refuse(header: str) -> None:
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(b"{}", header, "whsec_1")
    assert verdict(delivery(Provider.STRIPE, b"{}", {"Stripe-Signature": header})) != "genuine"
