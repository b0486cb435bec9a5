"""Speak with payment providers; nothing here is imported before a provider is needed."""
