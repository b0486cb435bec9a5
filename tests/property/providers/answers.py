"""Draw answers of providers: as they document them, with members or bytes changed, under any status."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar
from unittest.mock import patch

from hypothesis import strategies as st

from tallystick.adapters.providers.http import ProviderHttp
from tallystick.domain.errors import ProviderUnavailable
from tests.property.providers.test_malformed import VALUES, places, put

Answer = tuple[int, bytes]
T = TypeVar("T")

GRANTED: Final = frozenset({200, 201, 202})
_STATUSES: Final = [*GRANTED, 301, 400, 400, 401, 403, 404, 404, 409, 422, 422, 429, 500, 504]


@st.composite
def answers(draw: st.DrawFn, *genuine: dict[str, Any]) -> Answer:
    """Draw one; most are genuine, so that several in a row can be."""
    whole = json.loads(json.dumps(draw(st.sampled_from(genuine))))
    if draw(st.booleans()):
        for path in draw(st.lists(st.sampled_from(sorted(places(whole), key=str)), max_size=2)):
            with suppress(TypeError, KeyError, IndexError):  # an earlier change took the place away
                put(whole, path, draw(VALUES))
    text = bytearray(json.dumps(whole).encode())
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 5))] = draw(st.binary(max_size=5))
    fitting = whole.get("status") if isinstance(whole.get("status"), int) else 200
    return draw(st.sampled_from([fitting] * len(_STATUSES) + _STATUSES)), bytes(text)


def mostly(genuine: dict[str, Any], *others: dict[str, Any]) -> st.SearchStrategy[Answer]:
    """Draw an answer that is mostly this one, untouched."""
    answer = int(genuine.get("status", 200)), json.dumps(genuine).encode()
    return st.integers(0, 3).flatmap(lambda number: st.just(answer) if number else answers(genuine, *others))


def asked(act: Callable[[], T], answer: Callable[[str], Answer]) -> T | None:
    """Act with these answers, by their paths; tell what came of it, or nothing when that is unknown."""

    def exchange(_http: ProviderHttp, _method: str, path: str, *_: object) -> Answer:
        return answer(path.partition("?")[0])

    with patch.object(ProviderHttp, "_exchange", exchange), patch("tallystick.adapters.providers.http.PAUSES_S", ()):
        try:
            return act()
        except ProviderUnavailable as unavailable:
            unavailable.detail.encode()
            return None


def says(answer: Answer, name: str) -> Any:  # noqa: ANN401 (JSON)
    """Give a member of an answer."""
    with suppress(ValueError, AttributeError):
        return json.loads(answer[1]).get(name)
    return None
