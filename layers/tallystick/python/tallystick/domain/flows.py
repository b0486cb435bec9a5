"""Name all flows."""

from tallystick.domain.deposits import Deposit
from tallystick.domain.withdrawals import Withdrawal

Flow = Deposit | Withdrawal
