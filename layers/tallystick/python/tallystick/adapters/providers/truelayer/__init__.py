"""Speak with TrueLayer."""
