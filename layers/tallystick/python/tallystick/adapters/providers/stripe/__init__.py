"""Speak with Stripe."""
