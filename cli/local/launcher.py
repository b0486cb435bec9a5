"""Run the emulator with our settings: `python -m cli.local.launcher HOME API_PORT AWS_PORT`.

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


def main() -> None:
    """Serve the AWS endpoint and the API until a signal ends the process."""
    home, api_port, aws_port = Home(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
    with _sign_of_life(home):
        repairs.before_start()
        asyncio.run(_serve(api_port, aws_port))


def _sign_of_life(home: Home) -> IO[str]:
    """Lock a file for as long as this process lives, however it ends."""
    handle = home.alive.open("w")
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


async def _serve(api_port: int, aws_port: int) -> None:
    config = Config()
    config.bind = [f"127.0.0.1:{port}" for port in (api_port, aws_port)]
    config.keep_alive_timeout = 75
    config.loglevel = "WARNING"
    await serve(Front(app, api_port), config)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
