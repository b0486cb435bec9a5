"""`tallystick demo`: play a scenario against the local cloud, then judge what was stored."""
