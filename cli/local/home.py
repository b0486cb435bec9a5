"""The folder in which one local cloud keeps everything it has; without it there is nothing left."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a running local cloud."""

    pid: int
    api_port: int
    aws_port: int
    sandbox_port: int
    started_at: str
    template: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Home:
    """The paths below a local cloud's folder, its state file and its locks."""

    path: Path

    @property
    def log(self) -> Path:
        """Output of the emulator's process."""
        return self.path / "emulator.log"

    @property
    def temporary(self) -> Path:
        """Where the emulator unpacks functions."""
        return self.path / "tmp"

    @property
    def alive(self) -> Path:
        """The file that the emulator's process holds locked for as long as it lives."""
        return self.path / "alive"

    def create(self) -> None:
        """Make the folder anew, readable by its owner only."""
        self.remove()
        self.temporary.mkdir(mode=0o700, parents=True)
        self.path.chmod(0o700)

    def remove(self) -> None:
        """Delete the folder and all in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def load(self) -> State | None:
        """Read the state, None when there is none."""
        with suppress(FileNotFoundError):
            return State(**json.loads((self.path / "state.json").read_text()))
        return None

    def save(self, state: State) -> None:
        """Replace the state in one move, so that no reader sees half of it."""
        fresh = self.path / "state.json.new"
        fresh.write_text(json.dumps(asdict(state), indent=2))
        fresh.replace(self.path / "state.json")

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep a second `up` or `down` of this cloud waiting until the block ends."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.path.parent):
            yield


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder itself: it leaves no lock file behind."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
