"""Judge a simulated world when it has come to rest, by published rules alone: none of the product's code is used.

Every rule lists what breaks it. What it may rely on is what DynamoDB, the providers and clients hold at the end, and
what clients and providers were answered on the way.
"""

from collections.abc import Iterator
from typing import Final

from tests.simulation.evidence import Breach, Delivered, Evidence, RawItem
from tests.simulation.judging import answers, deposits, events, keys, ledger, withdrawals
from tests.simulation.judging.case import Case
from tests.simulation.judging.ledger import Rule

__all__ = ["RULES", "Breach", "Delivered", "Evidence", "RawItem", "judge"]

RULES: Final = (
    *ledger.RULES,
    *keys.RULES,
    *answers.RULES,
    *withdrawals.RULES,
    *deposits.RULES,
    *events.RULES,
)
"""All rules with their names."""


def judge(evidence: Evidence) -> list[Breach]:
    """Find every breach of every rule."""
    case = Case(evidence)
    return [Breach(name, detail) for name, rule in RULES for detail in _found(rule, case)]


def _found(rule: Rule, case: Case) -> Iterator[str]:
    """What is stored so oddly that a rule cannot even be applied to it breaks that rule, too."""
    try:
        yield from rule(case)
    except Exception as fault:  # noqa: BLE001 (whatever it is)
        yield f"cannot be judged: {fault!r}"
