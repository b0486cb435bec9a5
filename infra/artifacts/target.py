"""Describe what the code is built for: Lambda's own Python on Graviton, or this interpreter on this machine."""

import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin


class BuildError(RuntimeError):
    """Report a build that cannot be made here, and what to do about it."""


@dataclass(frozen=True)
class Target:
    """Hold what packages are chosen by, and which Python compiles."""

    name: str
    python_version: str
    platform: str
    install_options: tuple[str, ...] = ()

    def interpreter(self) -> Path:
        """Find the Python whose bytecode the target reads.

        Raises:
            BuildError: that version is not installed on this machine.
        """
        return Path(sys.executable) if self is LOCAL else find_python(self.python_version)


LOCAL = Target(
    name="local",
    python_version=f"{sys.version_info.major}.{sys.version_info.minor}",
    platform=f"{sys.implementation.cache_tag} {sysconfig.get_platform()}",
)
AWS = Target(
    name="aws",
    python_version="3.13",
    platform="aarch64-manylinux2014",
    install_options=("--python-platform", "aarch64-manylinux2014", "--python-version", "3.13"),
)
TARGETS = {target.name: target for target in (LOCAL, AWS)}


def find_python(version: str) -> Path:
    """Find an installed Python of that version.

    Raises:
        BuildError: there is none.
    """
    try:
        return Path(run_uv("python", "find", "--no-project", "--no-python-downloads", version, pyenv_version=version))
    except BuildError as error:
        raise BuildError(
            f"Python {version} has to compile this code, since Lambda runs it, and is not on this machine. "
            f"Install it, for example with `uv python install {version}`."
        ) from error


def run_uv(*arguments: str, pyenv_version: str | None = None) -> str:
    """Run the uv that was installed beside this Python and return what it prints.

    Raises:
        BuildError: with what uv said.
    """
    environment = os.environ | {"UV_SYSTEM_CERTS": "1"}
    if pyenv_version is not None:
        # pyenv's shim of a version that is installed but not selected fails, and uv gives up there.
        environment["PYENV_VERSION"] = pyenv_version
    done = subprocess.run(  # noqa: S603
        [find_uv_bin(), *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"uv {' '.join(arguments)}\n{done.stderr.strip()}")
    return done.stdout.strip()
