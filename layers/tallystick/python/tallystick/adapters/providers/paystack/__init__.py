"""Speak with Paystack."""
