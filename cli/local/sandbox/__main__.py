"""Serve the sandbox alone: `python -m cli.local.sandbox PORT`."""

import asyncio
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config

from cli.local.sandbox.application import Sandbox


def main() -> None:
    """Serve until a signal ends the process."""
    config = Config()
    config.bind = [f"127.0.0.1:{int(sys.argv[1])}"]
    config.loglevel = "WARNING"
    asyncio.run(serve(Sandbox(), config))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
