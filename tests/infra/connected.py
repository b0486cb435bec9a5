"""Make the stage that docs/deploy.md shows: production, with every provider."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from infra.app import file_context
from infra.stage import Stage, load_stage

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "deploy.md"
PRODUCTION: dict[str, Any] = file_context()["stages"]["production"]


@cache
def example() -> dict[str, Any]:
    """Read what the guide shows, with something of a key's length where the reader's own belongs."""
    (block,) = re.findall(r"```json\n(\{\n.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    settings: dict[str, Any] = json.loads(block.replace("…", "x" * 48))
    return settings


def connected(**changes: object) -> Stage:
    """Give production with the example's settings, and some of them changed."""
    return load_stage("production", {"production": {**PRODUCTION, **example(), **changes}})


def provider(name: str, **changes: object) -> dict[str, Any]:
    """Give the example's settings of one provider, with changes; None takes one out."""
    settings = {**example()["providers"][name], **changes}
    return {key: value for key, value in settings.items() if value is not None}
