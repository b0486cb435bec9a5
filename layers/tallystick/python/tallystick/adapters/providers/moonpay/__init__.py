"""Speak with MoonPay."""
