"""Stand in for `simulate`, also in worker processes: seeds with 7 in the end break a rule, 13 cannot be played."""

from collections import Counter
from typing import Final

from tests.simulation.judge import Breach
from tests.simulation.simulate import Outcome

FAULTS: Final = ("throttled", "lost", "partial")
SEND: Final = "SendMessageBatch webhooks"
GET: Final = "GetItem accounts"


def applicable(call: str) -> tuple[str, ...]:
    """Let only batches be partial, and nothing be lost that is read."""
    return FAULTS if call == SEND else FAULTS[:1]


def sound(seed: int, *, trace: bool = False) -> Outcome:
    """Break no rule."""
    return _outcome(seed, (), trace=trace)


def fragile(seed: int, *, trace: bool = False) -> Outcome:
    """Break a rule now and then."""
    if seed == 13:
        raise RuntimeError("the drain has no end")
    breaches = (Breach("sum", "usd: 1"), *[Breach("key", "twice")] * 5) if seed % 10 == 7 else ()
    return _outcome(seed, breaches, trace=trace)


def _outcome(seed: int, breaches: tuple[Breach, ...], *, trace: bool) -> Outcome:
    return Outcome(
        seed,
        ("paying", "returning") if seed % 2 else ("paying",),
        Counter({"credit": 2, "webhooks": 1}),
        Counter({("credit", GET): 3, ("webhooks", SEND): 1}),
        Counter({("credit", GET, "throttled"): 1, ("webhooks", SEND, "lost"): seed % 2}),
        Counter({"message twice": 1}),
        breaches,
        ("12:00:00.000 ada POST /v1/transfers [lost]",) if trace else (),
    )
