"""Run the emulator with our settings: `python -m cli.local.launcher HOME API_PORT AWS_PORT SANDBOX_PORT`.

Its environment is made by `server.environment`; the emulator reads it while it is imported.
"""

import asyncio
import fcntl
import sys
from pathlib import Path
from typing import IO

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

from cli.local import repairs
from cli.local.front import Front
from cli.local.home import Home
from cli.local.sandbox.application import Sandbox
from cli.local.server import Ports


def main() -> None:
    """Serve the API, the AWS endpoint and the sandbox until a signal ends the process."""
    with _sign_of_life(Home(Path(sys.argv[1]))):
        repairs.before_start()
        asyncio.run(_serve(Ports(*map(int, sys.argv[2:]))))


def _sign_of_life(home: Home) -> IO[str]:
    """Lock a file for as long as this process lives, however it ends."""
    handle = home.alive.open("w")
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


async def _serve(ports: Ports) -> None:
    config = Config()
    config.bind = [f"127.0.0.1:{port}" for port in ports]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    front = Front(app, api_port=ports.api, sandbox=Sandbox(), sandbox_port=ports.sandbox)
    await serve(front, config)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
