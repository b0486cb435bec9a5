"""Speak with anchors of the Stellar network."""
