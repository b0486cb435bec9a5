"""Webhooks made on this machine: signed as the providers sign, with keys of one's own."""
