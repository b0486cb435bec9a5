"""Tallystick: a wallet and payments ledger that moves money exactly once."""
