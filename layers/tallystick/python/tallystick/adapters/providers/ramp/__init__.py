"""Speak with Ramp Network."""
