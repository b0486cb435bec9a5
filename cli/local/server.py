"""Start and stop the emulator's process, which lives on after the command that started it."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, closing, suppress
from http import HTTPStatus
from typing import NamedTuple

from cli.local.errors import PortUnavailable, StartFailed
from cli.local.home import PROJECT, Home

DEFAULT_PORT = 4566
REGION = "us-east-1"
START_TIMEOUT_S = 30.0


class Ports(NamedTuple):
    """Where the API, the AWS endpoint and the sandbox of payment providers listen."""

    api: int
    aws: int
    sandbox: int


# Nothing else of the caller's environment reaches the emulator or the functions: no AWS_* and no proxy.
_INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ")

# Emulators started by this process: it has to collect them when they end.
_children: dict[int, subprocess.Popen[bytes]] = {}


def choose_ports(wanted: int | None) -> Ports:
    """Pick a port for the API, and the next free ones for the rest; 0 asks for any that are free.

    Raises PortUnavailable when the wanted one is taken.
    """
    if wanted == 0:
        return _any_free_ports()
    if wanted and not _is_free(wanted):
        raise PortUnavailable(f"Port {wanted} is taken; choose another with --port.")
    api = wanted or _next_free(DEFAULT_PORT)
    aws = _next_free(api + 1)
    return Ports(api, aws, _next_free(aws + 1))


def start(home: Home, ports: Ports) -> int:
    """Start the emulator in a session of its own, so that Ctrl-C does not reach it, and return its process id."""
    _collect_ended()
    command = [sys.executable, "-m", "cli.local.launcher", str(home.path), *map(str, ports)]
    with home.log.open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - our own launcher
            command,
            cwd=PROJECT,
            env=environment(home, ports.aws),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _children[process.pid] = process
    return process.pid


def environment(home: Home, aws_port: int) -> dict[str, str]:
    """Make the whole environment of the emulator; the functions inherit it."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | {
        # Isolation: only this machine, only this folder, no Docker, no listeners beside our three ports.
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(aws_port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{home.path}/no-docker",
        "HOME": str(home.path),
        "TMPDIR": str(home.temporary),
        "STATE_DIR": str(home.path / "emulator"),
        "S3_DATA_DIR": str(home.path / "s3"),
        # Behaviour: policies are enforced, as on AWS.
        "AUTH": "true",
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING",
        # Functions: there is neither an instance metadata service nor an X-Ray daemon to wait for.
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_XRAY_SDK_ENABLED": "false",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "PYTHONNOUSERSITE": "1",
    }


def is_running(home: Home) -> bool:
    """Tell whether the emulator of this home lives: it holds a lock until its process is gone."""
    try:
        handle = home.alive.open()
    except FileNotFoundError:
        return False
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def wait_until_ready(home: Home, pid: int, aws_port: int) -> None:
    """Return when the emulator answers; raises StartFailed with the end of its log when it does not."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if _answers(aws_port) and is_running(home):
            return
        if pid in _children and _children[pid].poll() is not None:
            break
        time.sleep(0.05)
    raise StartFailed("The emulator did not start:\n" + "\n".join(home.log.read_text().splitlines()[-15:]))


def stop(home: Home, pid: int) -> None:
    """End the emulator and every process of its functions."""
    if pid not in _children and not is_running(home):
        return
    # Not asked but killed, since nothing is worth saving; the functions' processes are in the same group.
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if pid in _children:
        _children.pop(pid).wait()
    while is_running(home):
        time.sleep(0.01)


def _collect_ended() -> None:
    """Forget emulators of this process that ended by themselves."""
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]


def _answers(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/_ministack/health", timeout=2) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def _next_free(first: int) -> int:
    for port in range(first, first + 100):
        if _is_free(port):
            return port
    raise PortUnavailable(f"No free port from {first} on.")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _any_free_ports() -> Ports:
    with ExitStack() as stack:
        # All are held until the last is found, so that they differ.
        probes = [stack.enter_context(closing(socket.socket())) for _ in Ports._fields]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return Ports(*(probe.getsockname()[1] for probe in probes))
