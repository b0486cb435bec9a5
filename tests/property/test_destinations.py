import re
import string
from collections.abc import Callable, Sequence
from typing import Any, Final, get_args

import base58
import bech32m  # type: ignore[import-untyped]
import pytest
from Crypto.Hash import keccak
from hypothesis import given
from hypothesis import strategies as st
from stdnum import iban as standard
from stdnum import numdb
from stellar_sdk.exceptions import Ed25519PublicKeyInvalidError
from stellar_sdk.strkey import StrKey

from tallystick.adapters.destinations import bitcoin, evm, iban, nuban, stellar, stripe
from tallystick.adapters.providers.stellar import strkey
from tallystick.domain.destinations import Destination, MemoType
from tallystick.domain.errors import InvalidRequest
from tests.property.webhooks.drawn import anything

ADA: Final = "Ada Lovelace"
BECH32: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BASE32: Final = string.ascii_uppercase + "234567"
OF_THEIR_OWN: Final = {"BE", "ES", "ME", "NO"}
"""Countries whose account numbers have check digits that stdnum looks at."""

STRUCTURES: Final = {
    low: re.findall(r"([0-9]+)!([nac])", properties["bban"])
    for _, low, _, properties, _ in numdb.get("iban").prefixes
    if low not in OF_THEIR_OWN
}
ALPHABETS: Final = {
    "n": string.digits,
    "a": string.ascii_uppercase,
    "c": string.ascii_uppercase + string.digits,
}


@st.composite
def ibans(draw: st.DrawFn) -> str:
    """Make an account number as its country's structure says, and its check digits."""
    country, fields = draw(st.sampled_from(sorted(STRUCTURES.items())))
    lengths = [(ALPHABETS[kind], int(length)) for length, kind in fields]
    number = "".join(draw(st.text(letters, min_size=length, max_size=length)) for letters, length in lengths)
    return f"{country}{standard.calc_check_digits(country + '00' + number)}{number}"


@st.composite
def nubans(draw: st.DrawFn) -> tuple[str, str]:
    """Make the number of a bank's account: three digits and ten."""
    digits = draw(st.text(string.digits, min_size=12, max_size=12))
    total = sum(int(digit) * weight for digit, weight in zip(digits, [3, 7, 3] * 4, strict=True))
    return digits[:3], f"{digits[3:]}{(10 - total % 10) % 10}"


keys = st.binary(min_size=32, max_size=32)
accounts = keys.map(StrKey.encode_ed25519_public_key)
v0 = st.binary(min_size=20, max_size=20) | st.binary(min_size=32, max_size=32)
segwit = st.builds(bech32m.encode, st.just("bc"), st.just(0), v0) | st.builds(
    bech32m.encode, st.just("bc"), st.integers(1, 16), st.binary(min_size=2, max_size=40)
)
versioned = st.builds(bytes.__add__, st.sampled_from([b"\x00", b"\x05"]), st.binary(min_size=20, max_size=20))
base58check = versioned.map(lambda payload: base58.b58encode_check(payload).decode())
places = st.integers(0, 2**20)


def with_another(text: str, place: int, letters: str) -> str:
    """Put another character of an alphabet at a place."""
    index, number = place % len(text), place // len(text)
    others = [letter for letter in letters if letter != text[index]]
    return text[:index] + others[number % len(others)] + text[index + 1 :]


def accepted(check: Callable[..., Destination], *given: Any) -> Destination | None:  # noqa: ANN401
    try:
        return check(*given)
    except InvalidRequest as refusal:
        errors: Any = refusal.members["errors"]
        assert all(error["detail"] and re.fullmatch(r"/destination/[a-z_]+", error["pointer"]) for error in errors)
        return None


def judged(account: str) -> bytes | None:
    try:
        return StrKey.decode_ed25519_public_key(account)
    except Ed25519PublicKeyInvalidError:
        return None


@given(key=keys)
def test_what_stellar_s_library_writes_is_read(key: bytes) -> None:
    account = StrKey.encode_ed25519_public_key(key)
    assert strkey.public_key(account) == key
    assert stellar.check(account).account == account


@given(
    text=st.one_of(
        anything,
        st.text(BASE32 + "=", min_size=50, max_size=72),
        st.binary(max_size=48).map(StrKey.encode_ed25519_public_key),
        keys.map(StrKey.encode_contract),
        keys.map(StrKey.encode_ed25519_secret_seed),
        st.builds(with_another, accounts, places, st.just(BASE32 + string.ascii_lowercase + "01=")),
    )
)
def test_stellar_s_library_reads_the_same(text: str) -> None:
    assert strkey.public_key(text) == judged(text)
    assert (accepted(stellar.check, text) is None) == (judged(text) is None)


@given(account=accounts, place=places)
def test_one_wrong_character_of_a_stellar_account_is_told(account: str, place: int) -> None:
    assert accepted(stellar.check, with_another(account, place, BASE32)) is None


@given(address=segwit, place=places)
def test_one_wrong_character_of_a_segwit_address_is_told(address: str, place: int) -> None:
    start = len("bc1")
    assert bitcoin.check(address).account == address
    assert accepted(bitcoin.check, "bc1" + with_another(address[start:], place, BECH32)) is None
    assert bitcoin.check(address.upper()).account == address
    if (mixed := address[:start] + address[start:].capitalize()) != address:
        assert accepted(bitcoin.check, mixed) is None


@given(address=base58check, place=places)
def test_one_wrong_character_of_a_base58_address_is_told(address: str, place: int) -> None:
    """Not by guarantee, but all but one in four thousand million."""
    assert bitcoin.check(address).account == address
    assert accepted(bitcoin.check, with_another(address, place, base58.BITCOIN_ALPHABET.decode())) is None


@given(account=ibans(), place=places)
def test_one_wrong_character_of_an_iban_is_told(account: str, place: int) -> None:
    """Of the same kind: a digit for a letter has its own structure against it, or not."""
    assert iban.check(account, ADA).account == account
    kind = string.digits if account[place % len(account)].isdigit() else string.ascii_uppercase
    assert accepted(iban.check, with_another(account, place, kind), ADA) is None


@given(account=ibans(), digits=st.text(string.digits + string.ascii_uppercase, min_size=2, max_size=2))
def test_an_account_has_one_iban(account: str, digits: str) -> None:
    taken = accepted(iban.check, account[:2] + digits + account[4:], ADA)
    assert (taken is not None) == (digits == account[2:4])


@given(number=nubans(), place=places)
def test_one_wrong_digit_of_a_nigerian_account_is_told(number: tuple[str, str], place: int) -> None:
    assert nuban.check(*number, ADA).account == number[1]
    wrong = with_another("".join(number), place, string.digits)
    assert accepted(nuban.check, wrong[:3], wrong[3:], ADA) is None


evm_like = st.from_regex(r"0x[0-9A-Fa-f]{38,42}", fullmatch=True)
iban_like = st.from_regex(r"[A-Z]{2}[0-9]{2}[ 0-9A-Za-z.-]{8,40}", fullmatch=True)
countries = st.sampled_from(sorted({*STRUCTURES, *OF_THEIR_OWN}))
with_country = st.builds(str.__add__, countries, st.text(string.digits + "A", max_size=36))
huge = st.builds(lambda text, times: text * times, anything, st.sampled_from([1, 1000]))
garbage = st.one_of(anything, huge, evm_like, iban_like, with_country, segwit, base58check, accounts, ibans())
around = st.sampled_from(["", " ", "\n", "\x00", "\ud800", "\N{ARABIC-INDIC DIGIT ONE}", "\N{FULLWIDTH DIGIT ONE}"])
texts = st.builds("{}{}{}".format, around, garbage, around)
digits = st.text(string.digits, max_size=12)
memo_types = st.none() | st.sampled_from(get_args(MemoType))

CHECKS: Final[list[tuple[Callable[..., Destination], Sequence[st.SearchStrategy[Any]]]]] = [
    (bitcoin.check, [texts]),
    (evm.check, [texts]),
    (iban.check, [texts, texts]),
    (iban.check, [texts, st.just(ADA)]),
    (nuban.check, [texts | digits, texts | digits, texts]),
    (stellar.check, [texts, texts, memo_types]),
    (stellar.check, [accounts, st.none() | texts | digits, memo_types]),
    (stripe.check, [texts | st.from_regex(r"(ba|card)_[0-9A-Za-z]{0,66}", fullmatch=True)]),
]


@pytest.mark.parametrize(("check", "drawn"), CHECKS)
@given(data=st.data())
def test_garbage_is_refused_and_what_is_taken_is_canonical(
    check: Callable[..., Destination], drawn: Sequence[st.SearchStrategy[Any]], data: st.DataObject
) -> None:
    taken = accepted(check, *(data.draw(strategy) for strategy in drawn))
    if taken is not None:
        given = {
            nuban.check: (taken.bank_code, taken.account, taken.name),
            iban.check: (taken.account, taken.name),
            stellar.check: (taken.account, taken.memo, taken.memo_type),
        }.get(check, (taken.account,))
        assert check(*given) == taken
        assert taken.account.isascii()
        assert not set(taken.account) & set(string.whitespace)


def spelt(digits: str) -> str:
    """Follow EIP-55 by its bits: a letter is a capital if its four bits of the hash begin with a one."""
    number = int(keccak.new(digest_bits=256, data=digits.encode()).hexdigest(), 16)
    capital = [number >> (255 - 4 * index) & 1 for index in range(len(digits))]
    letters = (digit.upper() if bit else digit for digit, bit in zip(digits, capital, strict=True))
    return "0x" + "".join(letters)


@given(digits=st.text("0123456789abcdef", min_size=40, max_size=40), place=places)
def test_an_evm_address_is_taken_in_one_spelling(digits: str, place: int) -> None:
    address = spelt(digits)
    nobody = set(digits) == {"0"}
    assert (accepted(evm.check, address) is None) == nobody
    index = 2 + place % 40
    swapped = address[:index] + address[index].swapcase() + address[index + 1 :]
    assert (accepted(evm.check, swapped) is None) == (nobody or swapped != address)


def test_every_country_s_structure_is_known() -> None:
    for country, fields in STRUCTURES.items():
        number = "".join(ALPHABETS[kind][0] * int(length) for length, kind in fields)
        account = f"{country}{standard.calc_check_digits(country + '00' + number)}{number}"
        assert iban.check(account, ADA).account == account
    assert len(STRUCTURES) > 80
