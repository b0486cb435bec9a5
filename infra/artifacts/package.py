"""Turn a folder of sources into a zip that has its bytecode in it and is the same whenever its input is."""

import hashlib
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from infra.artifacts.target import BuildError, Target

EPOCH = (1980, 1, 1, 0, 0, 0)
READ_ONLY_FILE = 0o100644 << 16


def files_below(root: Path) -> Iterator[Path]:
    """Yield all files in a fixed order, but no caches of this machine's Python."""
    return (path for path in sorted(root.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)


def digest(*roots: Path) -> str:
    """Hash names and contents of all files below the folders."""
    state = hashlib.sha256()
    for root in roots:
        for path in [root] if root.is_file() else files_below(root):
            content = path.read_bytes()
            state.update(f"{path.relative_to(root.parent)}\0{len(content)}\0".encode())
            state.update(content)
    return state.hexdigest()


def package(folder: Path, *, inputs: str, fill: Callable[[Path], None], target: Target, mounted_at: str) -> bool:
    """Make `folder` and `folder.zip` unless they were made from the same inputs; tell whether there was work."""
    stamp, archive = folder.with_suffix(".stamp"), folder.with_suffix(".zip")
    if folder.is_dir() and archive.is_file() and stamp.is_file() and stamp.read_text(encoding="utf-8") == inputs:
        return False
    stamp.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        root = Path(temporary) / folder.name
        root.mkdir()
        fill(root)
        compile_all(root, target=target, mounted_at=mounted_at)
        _zip(root, archive)
        root.rename(folder)
    stamp.write_text(inputs, encoding="utf-8")
    return True


def compile_all(root: Path, *, target: Target, mounted_at: str) -> None:
    """Compile all sources by the target's own Python, to bytecode that it trusts without looking at the sources.

    Raises:
        BuildError: that Python is missing, or a source does not compile.
    """
    options = ["-q", "--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", mounted_at]
    done = subprocess.run(  # noqa: S603
        [target.interpreter(), "-I", "-m", "compileall", *options, str(root)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"{root.name} does not compile:\n{done.stdout}{done.stderr}")


def _zip(root: Path, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as bundle:
        for path in sorted(root.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), date_time=EPOCH)
                entry.external_attr = READ_ONLY_FILE
                entry.compress_type = zipfile.ZIP_DEFLATED
                bundle.writestr(entry, path.read_bytes())
