"""Write JSON bodies, the same ones each time, on which a careless canonical form would differ from JavaScript's."""

import struct
from collections.abc import Callable, Iterator
from random import Random
from typing import Final

DEEPEST: Final = 5
_NUMBERS: Final = """
0 -0 0.0 -0.0 0e0 -0e-0 0e999 1 -1 1.0 -1.0 1.50 100 1e0 1E0 1e+0 1e-0 10e-1 0.1e1 1e1 1e2 12e20
1e5 1e15 1e16 1e17 1e18 1e19 1e20 1e21 1e22 -1e20 -1e21 1.5e20 1.5e21 123456789012345680000 1234567890123456800000
0.1 0.01 0.001 0.0001 0.00001 0.000001 0.0000001 0.00000001 1e-4 1e-5 1e-6 1e-7 1e-8 -1e-6 -1e-7 1.5e-6 1.5e-7
1.25e-5 1.25e-6 1.25e-7 0.00000123456789 0.000000123456789 9007199254740991 9007199254740992 9007199254740993
-9007199254740993 12345678901234567890 99999999999999999999 999999999999999999999 9999999999999999999999
1e308 1.7976931348623157e308 1.7976931348623158e308 1.7976931348623159e308 1e309 -1e309 1e999 -1e999 1e99999999999
2.2250738585072014e-308 2.2250738585072011e-308 5e-324 4.9e-324 2.4703282292062328e-324 2.4703282292062327e-324
1e-324 -1e-400 1e-99999999999 2374.212907944046 2.4900001 0.30000000000000004 5e-7 4.35 1.005 1e23 9.5e-5 123e-20
4.7223664828696452e21 3.141592653589793238462643383279 0.1000000000000000055511151231257827 9.999999999999999e22
20.0000000000000001 100000000000000000000.5 1.7976931348623157e+308 4503599627370495.5 4503599627370496.5
"""
_TEXTS: Final = (
    '"" "a" "\\u0000" "\\u001f" "\\u007f" "\x7f" "\\u0080" "\x80" "\\b\\f\\n\\r\\t\\"\\\\\\/" "/" "\\u002f" '
    '"\\u2028\\u2029" "\u2028\u2029" "\\ud83d\\ude00" "\U0001f600" "\\ud83d" "\\ude00" "\\ude00\\ud83d" '
    '"\\ud83d\\ud83d\\ude00" "\\uD83D" "\\uDEAD" "\\ud83dx\\ude00" "\\ud800\\udc00" "\\udbff\\udfff" "\uffff" "\ufffe" '
    '"\ufeff" "\\ufeff" "\\u00e9" "\u00e9" "e\u0301" "\u00c5" "\u212b" "\\\\ud800" "NaN" "null" "__proto__" '
    '"</script>" "\ud7ff\ue000"'
)
_KEYS: Final = (
    '"A" "B" "aa" "ab" "b" "Z" "_" "10" "9" "1" "-1" "01" "1.0" "4294967295" "4294967296" "length" "toJSON" "get" '
    '"constructor" "hasOwnProperty" "toString" "valueOf" "prototype" "\\u005f_proto__" "type" "\ue000" "\\ue000" '
    '"\U00010000" "\\ud800" "\\udfff" "\U0010ffff"'
)
NUMBERS: Final = _NUMBERS.split()
TEXTS: Final = _TEXTS.split(" ")
KEYS: Final = [*TEXTS, *_KEYS.split(" "), '" "']
WHOLE: Final = [
    *NUMBERS,
    *TEXTS,
    *("null", "true", "false", "[]", "{}", " [ ] ", "\t{\n}\r", "[[[[]]]]", '{"":{"":{}}}', "[null,1e999,-1e999]"),
    '{"a":1,"a":2}',
    '{"a":{"b":1},"a":{"c":2}}',
    '{"a":1,"\\u0061":2}',
    '{"__proto__":1}',
    '{"__proto__":{"toJSON":1},"a":2}',
    '{"__proto__":null,"__proto__":[1]}',
    '{"toJSON":{"toJSON":"x"}}',
    '{"constructor":{"prototype":{"x":1}}}',
    '{"\ue000":1,"\U00010000":2,"\\ud800":3,"\uffff":4}',
    '{"\\ud800":1,"\\ud800\\udc00":2,"\\udc00":3,"\\ud7ff":4}',
    '{"10":1,"9":2,"1":3,"a":4,"A":5}',
    '{"b":[{"z":1,"y":2}],"a":{"d":1,"c":2}}',
    "9" * 309,
    "1" + "0" * 308,
    "-" + "9" * 5000,
    "0." + "0" * 400 + "1",
    "1" + "0" * 5000 + "e-5000",
    "0." + "3" * 5000,
    "[" * 100 + "]" * 100,
]
NOT_JSON: Final = [
    *(
        "",
        " ",
        "NaN",
        "Infinity",
        "-Infinity",
        "[NaN]",
        '{"a":Infinity}',
        "undefined",
        "nul",
        "True",
        "None",
        "not json",
    ),
    *(
        "01",
        "-01",
        "00",
        "1.",
        ".5",
        "-",
        "+1",
        "1e",
        "1e+",
        "0x1",
        "1_0",
        "1n",
        "--1",
        "- 1",
        "\u0661",
        "\uff11",
        "1.e1",
    ),
    *('"', "'a'", '"\n"', '"\t"', '"\x00"', '"\x1f"', '"\\x41"', '"\\u12"', '"\\u123g"', '"\\u 123"', '"\\u+123"'),
    *(
        '"\\"',
        '"\\ud83d\\u"',
        '"\\0"',
        '"\\a"',
        '"\\u00_1"',
        '"\\U0001f600"',
        "\x00",
        "\x0b1",
        "\x0c1",
        "\u00a01",
        "\u20281",
    ),
    *(
        "[1,]",
        "[,1]",
        "[1 2]",
        "[",
        "]",
        "{",
        "}",
        '{"a"}',
        '{"a":}',
        '{"a":1,}',
        "{a:1}",
        "{1:1}",
        '{"a":1 "b":2}',
        "{,}",
    ),
    *("1 2", "{}{}", "[]x", "null\x00", "\ufeff{}", "{}\ufeff", "//x\n1", "/**/1", "1//", "(1)", '{"a":1}}', "[[]"),
]
NOT_UTF_8: Final = [
    *(b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xe2\x82"', b"\xef\xbb\xbf{}", b'"\x80"'),
    *('{"a":1}'.encode(encoding) for encoding in ("utf-16", "utf-16-le", "utf-32", "utf-32-be")),
]


def bodies() -> list[bytes]:
    """Give all of them, sound and unsound."""
    chance = Random(2026)  # noqa: S311 (the same bodies each time)
    written = [_value(chance, 0) for _ in range(600)]
    doubles = [repr(_double(chance)) for _ in range(600)]
    spoilt = [_spoilt(chance, chance.choice(written)) for _ in range(600)]
    texts = [*WHOLE, *NOT_JSON, *written, f"[{','.join(doubles)}]", *_decimals(chance), *spoilt]
    return [text.encode() for text in texts] + NOT_UTF_8


def _value(chance: Random, depth: int) -> str:
    kinds: list[Callable[[Random, int], str]] = [_array, _object, _object, _number, _text]
    return _spaced(chance, chance.choice(kinds[3 if depth == DEEPEST else 0 :])(chance, depth))


def _array(chance: Random, depth: int) -> str:
    return f"[{','.join(_value(chance, depth + 1) for _ in range(chance.randrange(4)))}]"


def _object(chance: Random, depth: int) -> str:
    keys = chance.choices(KEYS, k=chance.randrange(8))
    return "{" + ",".join(f"{_spaced(chance, key)}:{_value(chance, depth + 1)}" for key in keys) + "}"


def _number(chance: Random, _depth: int) -> str:
    return chance.choice([*NUMBERS, "true", "false", "null", repr(_double(chance))])


def _text(chance: Random, _depth: int) -> str:
    return f'"{"".join(text[1:-1] for text in chance.choices(TEXTS, k=chance.randrange(4)))}"'


def _spaced(chance: Random, text: str) -> str:
    spaces = ["", "", "", " ", "\n", "\r\n", "\t"]
    return chance.choice(spaces) + text + chance.choice(spaces)


def _double(chance: Random) -> float:
    """Draw from all doubles alike, most of which are huge or tiny, but not from infinities and the like."""
    while True:
        value: float = struct.unpack("<d", chance.randbytes(8))[0]
        if value - value == 0:
            return value


def _decimals(chance: Random) -> Iterator[str]:
    """Write numbers near the points where JavaScript changes its notation, with more digits than a double holds."""
    for _ in range(600):
        digits = str(chance.randrange(1, 10 ** chance.randrange(1, 25)))
        point = chance.randrange(len(digits) + 1)
        sign, letter, power = chance.choice(["", "-"]), chance.choice("eE"), chance.choice(["d", "+d"])
        exponent = chance.randrange(-30, 30)
        whole, fraction = digits[:point].lstrip("0") or "0", digits[point:] or "0"
        yield f"{sign}{whole}.{fraction}{letter}{exponent:{power}}"


def _spoilt(chance: Random, text: str) -> str:
    """Leave a character out, double it, or put another one in; some of these texts are JSON all the same."""
    place = chance.randrange(len(text))
    new: str = chance.choice(["", text[place] * 2, *'"\\{}[],:-+.eE0 \t\x00\x1f', "\ufeff", "\u00a0", "\U0001f600"])
    return text[:place] + new + text[place + 1 :]
