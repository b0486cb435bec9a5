import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.chain import digest
from tallystick.domain.errors import IdempotencyKeyInvalid
from tallystick.domain.transfers import (
    Claim,
    IdempotencyKey,
    Posting,
    Transfer,
    TransferKind,
    client_key,
    reversal_marker,
)

KEY = IdempotencyKey("api", "ada", "k1")


def transfer(*postings: Posting, kind: TransferKind = TransferKind.CREDIT) -> Transfer:
    return Transfer(Claim(KEY, "f"), kind, "USD", 2, 100, postings, created_at_ms=1)


@pytest.mark.parametrize(
    ("header", "reference"),
    [
        ("k1", "k1"),
        ("  k1  ", "k1"),
        ('"k1"', "k1"),
        ('"a b"', "a b"),
        ("a b", "a b"),
        (r'"a\"b"', 'a"b'),
        (r'"a\\b"', r"a\b"),
        (r'"\\\""', r"\""),
        ('"', '"'),
        ('"a', '"a'),
        ('a"', 'a"'),
        ("x" * 255, "x" * 255),
        ('"' + "x" * 255 + '"', "x" * 255),
        ("~!/?#%", "~!/?#%"),
    ],
)
def test_a_key_may_be_sent_bare_or_quoted(header: str, reference: str) -> None:
    assert client_key("ada", header) == IdempotencyKey("api", "ada", reference)


@pytest.mark.parametrize("header", ["", "   ", '""', "x" * 256, "a\tb", "a\nb", "a\x00b", "a\x7fb", "é", "\ud800"])
def test_a_key_that_is_empty_too_long_or_not_printable_is_refused(header: str) -> None:
    with pytest.raises(IdempotencyKeyInvalid):
        client_key("ada", header)


@given(reference=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255))
def test_quoting_a_key_as_rfc_8941_says_changes_nothing(reference: str) -> None:
    quoted = reference.replace("\\", "\\\\").replace('"', '\\"')
    assert client_key("ada", f'"{quoted}"').reference == reference


def test_a_key_is_found_by_the_hash_of_its_tuple() -> None:
    assert KEY.digest == digest("tallystick/key/1", "api", "ada", "k1")
    assert KEY.transfer_id == f"trf_{KEY.digest}"


def test_no_two_tuples_share_a_hash() -> None:
    tuples = [("api", "ada", "k1"), ("api", "adak", "1"), ("apiada", "", "k1"), ("stripe", "ada", "k1")]
    assert len({IdempotencyKey(*parts).digest for parts in tuples}) == len(tuples)


def test_the_same_key_of_two_callers_is_two_keys() -> None:
    assert client_key("ada", "k").digest != client_key("bob", "k").digest


def test_a_key_names_one_wallet() -> None:
    assert KEY.wallet_id == client_key("ada", "k1").wallet_id
    assert KEY.wallet_id != client_key("ada", "k2").wallet_id
    assert len(KEY.wallet_id) == len("wal_") + 32


def test_a_reversal_is_found_by_a_key_that_no_client_key_can_be() -> None:
    assert reversal_marker("trf_1") == digest("tallystick/reversal/1", "trf_1")
    assert reversal_marker("trf_1") != reversal_marker("trf_2")


def test_the_label_names_source_key_first_wallet_and_action() -> None:
    moved = transfer(
        Posting("external:stripe:USD", -100),
        Posting("wal_a", 100, "ada", 100),
        Posting("wal_b", 1, "bob", 1),
    )
    assert moved.label == "api:k1:wal_a:credit"
    assert moved.transfer_id == KEY.transfer_id


texts = st.text(max_size=12)
headers = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)


@given(texts, headers, texts, texts, texts, st.sampled_from(TransferKind))
def test_a_key_of_a_providers_money_is_never_a_clients(
    caller: str, header: str, source: str, scope: str, reference: str, kind: TransferKind
) -> None:
    assert IdempotencyKey(source, scope, reference, kind).digest != client_key(caller, header).digest


@pytest.mark.parametrize("kind", TransferKind)
def test_no_client_can_spell_a_providers_key(kind: TransferKind) -> None:
    theirs = IdempotencyKey("stripe", "test", "re_1", kind)
    for caller, header in (("test", f"re_1{kind}"), ("test", f"re_1:{kind}"), ("test", "re_1"), ("stripe", "test")):
        assert client_key(caller, header).digest != theirs.digest
    assert theirs.digest == digest("tallystick/key/1", "stripe", "test", "re_1", kind)


def test_each_thing_done_with_a_providers_money_has_a_key_of_its_own() -> None:
    keys = {IdempotencyKey("stripe", "test", "re_1", kind).digest for kind in TransferKind}
    assert len(keys | {IdempotencyKey("stripe", "test", "re_1").digest}) == len(TransferKind) + 1


def test_the_label_of_a_movement_that_touched_no_wallet_names_none() -> None:
    assert transfer(Posting("external:stripe:USD", 100), kind=TransferKind.REFUND).label == "api:k1:-:refund"
