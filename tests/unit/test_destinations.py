import re
from collections.abc import Callable
from typing import Any

import base58
import bech32m  # type: ignore[import-untyped]
import pytest

from tallystick.adapters.destinations import bitcoin, evm, iban, members, nuban, stellar, stripe
from tallystick.domain.destinations import Destination, DestinationType, MemoType
from tallystick.domain.errors import InvalidRequest

G = "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"
M = "MA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVAAAAAAAAAAAAAJLK"
C = "CA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJUWDA"
S = "SBU2RRGLXH3E5CQHTD3ODLDF2BWDCYUSSBLLZ5GNW7JXHDIYKXZWHOKR"
ADA = "Ada Lovelace"


def refused(check: Callable[[], Destination]) -> tuple[str, str]:
    with pytest.raises(InvalidRequest) as refusal:
        check()
    errors: Any = refusal.value.members["errors"]
    (error,) = errors
    return error["pointer"], error["detail"]


@pytest.mark.parametrize(
    "address",
    [
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "1111111111111111111114oLvT2",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
        "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    ],
)
def test_addresses_of_bitcoin_are_taken(address: str) -> None:
    assert bitcoin.check(address) == Destination(DestinationType.BITCOIN, address)


@pytest.mark.parametrize("address", ["BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "BC1SW50QGDZ25J"])
def test_segwit_is_written_in_lower_case(address: str) -> None:
    assert bitcoin.check(address).account == address.lower()


@pytest.mark.parametrize(
    "address",
    [
        # BIP-173, invalid since BIP-350 too; the first three were valid before it
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7k7grplx",
        "BC1SW50QA3JX3S",
        "bc1zw508d6qejxtdg4y5r3zarvaryvg6kdaj",
        "tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
        "BC13W508D6QEJXTDG4Y5R3ZARVARY0C5XW7KN40WF2",
        "bc1rw5uspcuh",
        "bc10w508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kw5rljs90",
        "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3q0sL5k7",
        "bc1zw508d6qejxtdg4y5r3zarvaryvqyzf3du",
        "tb1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3pjxtptv",
        "bc1gmk9yu",
        # BIP-350
        "tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
        "tb1z0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqglt7rf",
        "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",
        "tb1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47",
        "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4",
        "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
        "bc1pw5dgrnzv",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav",
        "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq47Zagq",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",
        "tb1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vpggkg4j",
        # other networks, in their own right
        "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
        "tb1qqqqqp399et2xygdj5xreqhjjvcmzhxw4aywxecjdzew6hylgvsesrxh6hy",
        "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",
        "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc",
        "LM2WMpR1Rp6j3Sa59cMXMs1SPzj9eXpGc1",
        # mixed case, a wrong character, spaces
        "Bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bC1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3T4",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2 ",
        " 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4\n",
    ],
)
def test_other_addresses_are_no_addresses_of_bitcoin(address: str) -> None:
    pointer, detail = refused(lambda: bitcoin.check(address))
    assert pointer == "/destination/address"
    assert "main network" in detail


@pytest.mark.parametrize("payload", [b"\x00" * 20, b"\x00" * 22, b"\x05" * 20, b"\x05" * 22, b"\x00", b""])
def test_a_base58_address_holds_a_version_and_20_bytes(payload: bytes) -> None:
    refused(lambda: bitcoin.check(base58.b58encode_check(payload).decode()))


@pytest.mark.parametrize("version", range(256))
def test_two_versions_of_base58_addresses_are_of_the_main_network(version: int) -> None:
    address = base58.b58encode_check(bytes([version]) + bytes(range(20))).decode()
    if version in {0, 5}:
        assert bitcoin.check(address).account == address
    else:
        refused(lambda: bitcoin.check(address))


@pytest.mark.parametrize("version", range(1, 17))
@pytest.mark.parametrize("length", [2, 32, 40])
def test_later_versions_of_segwit_are_taken(version: int, length: int) -> None:
    address = bech32m.encode("bc", version, bytes(length))
    assert bitcoin.check(address).account == address


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        # all capitals, and none, by their checksums
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
    ],
)
def test_an_evm_address_carries_its_checksum(address: str) -> None:
    assert evm.check(address) == Destination(DestinationType.EVM, address)


@pytest.mark.parametrize("written", [str.lower, str.upper])
def test_an_evm_address_in_one_case_has_no_checksum(written: Callable[[str], str]) -> None:
    address = "0x" + written("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
    assert "all in one case" in refused(lambda: evm.check(address))[1]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "a character is wrong"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAee", "a character is wrong"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe", "40 hexadecimal digits"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedd", "40 hexadecimal digits"),
        ("0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "40 hexadecimal digits"),
        ("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "40 hexadecimal digits"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg", "40 hexadecimal digits"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\n", "40 hexadecimal digits"),
        ("0x" + "\N{ARABIC-INDIC DIGIT ONE}" * 40, "40 hexadecimal digits"),
        ("0x" + "0" * 40, "lost"),
        ("vitalik.eth", "40 hexadecimal digits"),
        ("", "40 hexadecimal digits"),
    ],
)
def test_other_texts_are_no_evm_addresses(address: str, why: str) -> None:
    pointer, detail = refused(lambda: evm.check(address))
    assert pointer == "/destination/address"
    assert why in detail


def test_an_evm_address_of_digits_only_has_no_capitals_to_get_wrong() -> None:
    assert evm.check("0x" + "1" * 40).account == "0x" + "1" * 40


@pytest.mark.parametrize(
    "account",
    [
        "AD1200012030200359100100",
        "AE070331234567890123456",
        "AT611904300234573201",
        "BE43068999999501",
        "BE68539007547034",  # the registry's example, of a bank that the library does not list
        "BR1800360305000010009795493C1",
        "CH9300762011623852957",
        "CY17002001280000001200527600",
        "CZ6508000000192000145399",
        "DE89370400440532013000",
        "DK5000400440116243",
        "ES9121000418450200051332",
        "FI2112345600000785",
        "FR1420041010050500013M02606",
        "GB29NWBK60161331926819",
        "GR1601101250000000012300695",
        "IE29AIBK93115212345678",
        "IT60X0542811101000000123456",
        "LC55HEMM000100010012001200023015",
        "LU280019400644750000",
        "ME25505000012345678951",
        "MT84MALT011000012345MTLCAST001S",
        "MU17BOMM0101101030300200000MUR",
        "NL91ABNA0417164300",
        "NO9386011117947",
        "PL61109010140000071219812874",
        "PT50000201231234567890154",
        "SA0380000000608010167519",
        "SE4550000000058398257466",
        "TR330006100519786457841326",
    ],
)
def test_ibans_of_the_registry_are_taken_with_or_without_spaces(account: str) -> None:
    expected = Destination(DestinationType.IBAN, account, name=ADA)
    printed = " ".join(re.findall(".{1,4}", account))
    for given in (account, account.lower(), printed, f"\t{printed}\n", printed.replace(" ", "\N{NO-BREAK SPACE}")):
        assert iban.check(given, ADA) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("GB29NWBK60161331926818", "check digits"),
        ("GB92NWBK60161331926819", "check digits"),
        ("DE90370400440532013000", "check digits"),
        # stdnum takes these: what is 97 modulo 97 can be written as 00 too, 98 as 01, 2 as 99, and 89 as letters
        ("DE00370400440000000060", "check digits"),
        ("DE01370400440000000042", "check digits"),
        ("DE99370400440000000024", "check digits"),
        ("DET9370400440532013000", "check digits"),
        # a country without IBANs, one that is none, too short, too long, letters for digits
        ("US46NWBK60161331926819", "structure"),
        ("XX04NWBK60161331926819", "structure"),
        ("GB24NWBK6016133192681", "structure"),
        ("GB29NWBK601613319268190", "check digits"),
        ("GB31NWBK601613319268190", "structure"),
        ("GB76NWBKA0161331926819", "structure"),
        # signs and digits that stdnum would read as others
        ("GB29-NWBK-6016-1331-9268-19", "letters and digits"),
        ("GB29.NWBK.6016.1331.9268.19", "letters and digits"),
        ("GB29NWBK6016133192681\N{FULLWIDTH DIGIT NINE}", "letters and digits"),
        ("GB29NWBK6016133192681\N{ARABIC-INDIC DIGIT NINE}", "letters and digits"),
        ("GB29NWBK60161331926819\x00", "letters and digits"),
        ("GB29NWBK60161331926819\N{ZERO WIDTH SPACE}", "letters and digits"),
        ("\ud800", "letters and digits"),
        ("", "letters and digits"),
        (" ", "letters and digits"),
        ("G", "check digits"),
        ("GB", "check digits"),
        ("0" * 128, "check digits"),
        (" " * 107 + "GB29NWBK60161331926819", "at most 128"),
    ],
)
def test_other_texts_are_no_ibans(text: str, why: str) -> None:
    pointer, detail = refused(lambda: iban.check(text, ADA))
    assert pointer == "/destination/iban"
    assert why in detail


def test_128_characters_are_looked_at() -> None:
    assert iban.check(" " * 106 + "GB29NWBK60161331926819", ADA).account == "GB29NWBK60161331926819"


NAMED: list[Callable[[str], Destination]] = [
    lambda name: iban.check("DE89370400440532013000", name),
    lambda name: nuban.check("044", "0000000000", name),
]


@pytest.mark.parametrize("check", NAMED)
@pytest.mark.parametrize(
    "name", ["A", "Zoë Müller-Łukasz", "李小龍", "A" * 70, f"\t {'A' * 70} \n", "O'Neill & Sons (2)"]
)
def test_names_are_printable_and_without_spaces_around(check: Callable[[str], Destination], name: str) -> None:
    assert check(name).name == name.strip()


@pytest.mark.parametrize("check", NAMED)
@pytest.mark.parametrize(
    "name", ["", "   ", "A" * 71, "Ada\nLovelace", "Ada\x00", "Ada\u202ealB", "\ud800", " " * 128 + "A"]
)
def test_other_names_are_refused(check: Callable[[str], Destination], name: str) -> None:
    assert refused(lambda: check(name))[0] == "/destination/account_holder_name"


@pytest.mark.parametrize(
    ("bank_code", "account_number"),
    [
        ("044", "0000000000"),
        # the two examples of the CBN's proposals of 2010
        ("011", "0000014579"),
        ("011", "0000000220"),
        ("058", "0152792740"),
        # other institutions: any digit, for their codes here are not those that it was computed with
        *((code, f"000000000{digit}") for code in ("50211", "999992") for digit in range(10)),
    ],
)
def test_nigerian_account_numbers_are_taken(bank_code: str, account_number: str) -> None:
    expected = Destination(DestinationType.NUBAN, account_number, bank_code=bank_code, name=ADA)
    assert nuban.check(bank_code, account_number, ADA) == expected


@pytest.mark.parametrize("serial", ["000001457", "000000022", "123456789", "999999999"])
@pytest.mark.parametrize("bank_code", ["011", "058", "232"])
def test_a_bank_s_account_number_has_one_check_digit(bank_code: str, serial: str) -> None:
    a, b, c, d, e, f, g, h, i, j, k, m = map(int, bank_code + serial)
    total = a * 3 + b * 7 + c * 3 + d * 3 + e * 7 + f * 3 + g * 3 + h * 7 + i * 3 + j * 3 + k * 7 + m * 3
    right = 0 if total % 10 == 0 else 10 - total % 10
    for digit in range(10):
        if digit == right:
            assert nuban.check(bank_code, f"{serial}{digit}", ADA).account == f"{serial}{digit}"
        else:
            pointer, _ = refused(lambda digit=digit: nuban.check(bank_code, f"{serial}{digit}", ADA))  # type: ignore[misc]
            assert pointer == "/destination/account_number"


@pytest.mark.parametrize(
    "code", ["", "44", "0440", "0000044", "04A", "044 ", "\N{ARABIC-INDIC DIGIT ONE}" * 3, "\ud800", "+44"]
)
def test_other_bank_codes_are_refused(code: str) -> None:
    assert refused(lambda: nuban.check(code, "0000000000", ADA))[0] == "/destination/bank_code"


@pytest.mark.parametrize("bank_code", ["044", "50211"])
@pytest.mark.parametrize(
    "number", ["", "000000000", "00000000000", "000000000A", "0000000000\n", "\N{ARABIC-INDIC DIGIT ONE}" * 10]
)
def test_other_account_numbers_are_refused(bank_code: str, number: str) -> None:
    pointer, detail = refused(lambda: nuban.check(bank_code, number, ADA))
    assert pointer == "/destination/account_number"
    assert "10 digits" in detail


def test_an_account_of_stellar_is_taken_without_a_memo() -> None:
    assert stellar.check(G) == Destination(DestinationType.STELLAR, G)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        (M, "the id as `memo`"),
        (C, "contract"),
        (S, "Send it to nobody"),
        ("LA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJUPJN", "begins with G"),
        ("BAAD6DBUX6J22DMZOHIEZTEQ64CVCHEDRKWZONFEUL5Q26QD7R76RGR4TU", "begins with G"),
        (
            "PA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJUAAAAAOQCAQDAQCQMBYIBEFAWDANBYHRAEISCMKBKFQXDAMRUGY4DUAAAAFGBU",
            "G",
        ),
        ("GAAAAAAAACGC6", "56 characters"),
        ("GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZA", "56 characters"),
        ("GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJUACUSI", "56 characters"),
        ("G47QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVP2I", "56 characters"),
        (G.lower(), "56 characters"),
        (G[:-1], "56 characters"),
        (G + "========", "56 characters"),
        (G + "\n", "56 characters"),
        (" " + G, "56 characters"),
        ("GA7Q YNF7", "56 characters"),
        ("G" + "\N{FULLWIDTH DIGIT TWO}" * 55, "56 characters"),
        ("ada*example.com", "56 characters"),
        ("", "56 characters"),
    ],
)
def test_other_texts_are_no_accounts_of_stellar(address: str, why: str) -> None:
    pointer, detail = refused(lambda: stellar.check(address))
    assert pointer == "/destination/address"
    assert why in detail


def test_a_refusal_does_not_repeat_a_secret() -> None:
    assert S[1:] not in refused(lambda: stellar.check(S))[1]


@pytest.mark.parametrize(
    ("memo_type", "memo", "canonical"),
    [
        ("text", "x", "x"),
        ("text", "A" * 28, "A" * 28),
        ("text", "invoice 7", "invoice 7"),
        ("text", "\N{SNOWMAN}" * 9 + "x", "\N{SNOWMAN}" * 9 + "x"),
        ("id", "0", "0"),
        ("id", "12345", "12345"),
        ("id", "18446744073709551615", "18446744073709551615"),
        ("hash", "0f" * 32, "0f" * 32),
        ("hash", "0F" * 32, "0f" * 32),
        ("return", "Ab" * 32, "ab" * 32),
    ],
)
def test_memos_are_taken(memo_type: MemoType, memo: str, canonical: str) -> None:
    expected = Destination(DestinationType.STELLAR, G, memo=canonical, memo_type=memo_type)
    assert stellar.check(G, memo, memo_type) == expected


@pytest.mark.parametrize(
    ("memo_type", "memo", "why"),
    [
        ("text", "", "1 to 28 bytes"),
        ("text", "A" * 29, "1 to 28 bytes"),
        ("text", "\N{SNOWMAN}" * 10, "1 to 28 bytes"),
        ("text", "a\x00b", "1 to 28 bytes"),
        ("text", "a\u202eb", "1 to 28 bytes"),
        ("text", "\ud800", "1 to 28 bytes"),
        ("text", " 12345", "space"),
        ("text", "12345\n", "space"),
        ("text", "A" * 129, "at most 128"),
        ("id", "", "a number from 0"),
        ("id", "00", "a number from 0"),
        ("id", "01", "a number from 0"),
        ("id", "-1", "a number from 0"),
        ("id", "+1", "a number from 0"),
        ("id", "1.0", "a number from 0"),
        ("id", "1 ", "a number from 0"),
        ("id", "1_0", "a number from 0"),
        ("id", "\N{ARABIC-INDIC DIGIT ONE}", "a number from 0"),
        ("id", "18446744073709551616", "a number from 0"),
        ("id", "9" * 10_000, "a number from 0"),
        ("hash", "0f" * 31, "64 hexadecimal"),
        ("hash", "0f" * 31 + "0", "64 hexadecimal"),
        ("hash", "0f" * 32 + "0", "64 hexadecimal"),
        ("hash", "0g" * 32, "64 hexadecimal"),
        ("return", "0x" + "0f" * 31, "64 hexadecimal"),
        ("return", "\N{ARABIC-INDIC DIGIT ONE}" * 64, "64 hexadecimal"),
    ],
)
def test_other_memos_are_refused(memo_type: MemoType, memo: str, why: str) -> None:
    pointer, detail = refused(lambda: stellar.check(G, memo, memo_type))
    assert pointer == "/destination/memo"
    assert why in detail


def test_a_memo_goes_with_its_type() -> None:
    assert refused(lambda: stellar.check(G, "12345"))[0] == "/destination/memo_type"
    assert refused(lambda: stellar.check(G, "", None))[0] == "/destination/memo_type"
    assert refused(lambda: stellar.check(G, memo_type="id"))[0] == "/destination/memo"


@pytest.mark.parametrize("account", ["ba_1", "card_1MtFgV2eZvKYlo2C", "ba_" + "A" * 64, "card_z"])
def test_ids_of_stripe_are_taken(account: str) -> None:
    assert stripe.check(account) == Destination(DestinationType.STRIPE, account)


@pytest.mark.parametrize(
    "account",
    [
        "",
        "ba_",
        "ba_" + "A" * 65,
        "acct_1",
        "BA_1",
        "ba-1",
        "ba_1/../x",
        "ba_1 ",
        "ba_1\n",
        "xba_1",
        "ba_\u0661",
        "card_\ud800",
    ],
)
def test_other_texts_are_no_ids_of_stripe(account: str) -> None:
    assert refused(lambda: stripe.check(account))[0] == "/destination/external_account"


def test_all_bounds_are_the_documented_ones() -> None:
    assert (members.MAX_CHARACTERS, members.MAX_NAME_CHARACTERS) == (128, 70)
    assert (stellar.MAX_TEXT_BYTES, stellar.MAX_ID) == (28, 2**64 - 1)
