"""The bank of planted bugs: mistakes that the simulator has to find, each by itself."""

from typing import Final

from tests.simulation.bugs import deposits, movements, reconciliation, tallies, withdrawals
from tests.simulation.bugs.planting import Bug

BUGS: Final[tuple[Bug, ...]] = (
    *movements.BUGS,
    *deposits.BUGS,
    *withdrawals.BUGS,
    *tallies.BUGS,
    *reconciliation.BUGS,
)
