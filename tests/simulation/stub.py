"""Stand in for `simulate`, also in worker processes: seeds with 7 in the end break a rule, 13 cannot be played."""

from collections import Counter
from typing import Final

from tests.simulation.judge import Breach
from tests.simulation.plays import Play
from tests.simulation.simulate import Outcome

FAULTS: Final = ("throttled", "lost", "partial")
SEND: Final = "SendMessageBatch webhooks"
GET: Final = "GetItem accounts"


def applicable(call: str) -> tuple[str, ...]:
    """Let only batches be partial, and nothing be lost that is read."""
    return FAULTS if call == SEND else FAULTS[:1]


def sound(named: Play, *, trace: bool = False) -> Outcome:
    """Break no rule."""
    return _outcome(named, (), trace=trace)


def fragile(named: Play, *, trace: bool = False) -> Outcome:
    """Break a rule now and then."""
    if named.seed == 13:
        raise RuntimeError("the drain has no end")
    breaches = (Breach("sum", "usd: 1"), *[Breach("key", "twice")] * 5) if named.seed % 10 == 7 else ()
    return _outcome(named, breaches, trace=trace)


def _outcome(named: Play, breaches: tuple[Breach, ...], *, trace: bool) -> Outcome:
    return Outcome(
        named,
        ("paying", "returning") if named.seed % 2 else ("paying",),
        Counter({"credit": 2, "webhooks": 1}),
        Counter({("credit", GET): 3, ("webhooks", SEND): 1}),
        Counter({("credit", GET, "throttled"): 1, ("webhooks", SEND, "lost"): named.seed % 2})
        + Counter((aim.function, aim.call, aim.fault.value) for aim in named.aims),
        Counter({"message twice": 1}),
        breaches,
        ("12:00:00.000 ada POST /v1/transfers [lost]",) if trace else (),
    )
