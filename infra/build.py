"""Build the Lambda layers and functions: `python -m infra.build [--target aws|local] [--out build]`."""

import argparse
import fcntl
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from infra.artifacts.dependencies import install_dependencies
from infra.artifacts.package import digest, files_below, package
from infra.artifacts.target import TARGETS, BuildError, Target

ROOT = Path(__file__).resolve().parent.parent
LAYER_MOUNT = "/opt"
FUNCTION_MOUNT = "/var/task"
MEGABYTE = 1_000_000


def build(target: Target, *, source: Path = ROOT, out: Path = ROOT / "build") -> Path:
    """Bring the target's artifacts up to date and return their folder.

    Raises:
        BuildError: packages or the target's Python are missing, or a source does not compile.
    """
    artifacts = out / target.name
    artifacts.mkdir(parents=True, exist_ok=True)
    with _alone(artifacts):
        _build_layers(target, source / "layers", artifacts)
        _build_functions(target, source / "functions", artifacts / "functions")
    return artifacts


def _build_layers(target: Target, layers: Path, artifacts: Path) -> None:
    requirements = layers / "dependencies" / "requirements.txt"
    package(
        artifacts / "dependencies",
        inputs=_inputs(target, requirements),
        fill=partial(install_dependencies, requirements, target),
        target=target,
        mounted_at=LAYER_MOUNT,
    )
    sources = layers / "tallystick" / "python"
    package(
        artifacts / "tallystick",
        inputs=_inputs(target, sources),
        fill=partial(_copy_sources, sources, "python"),
        target=target,
        mounted_at=LAYER_MOUNT,
    )


def _build_functions(target: Target, functions: Path, artifacts: Path) -> None:
    names = {handler.parent.name for handler in functions.glob("*/handler.py")}
    for name in sorted(names):
        package(
            artifacts / name,
            inputs=_inputs(target, functions / name),
            fill=partial(_copy_sources, functions / name, f"functions/{name}"),
            target=target,
            mounted_at=FUNCTION_MOUNT,
        )
    for left_over in [path for path in artifacts.glob("*") if path.stem not in names]:
        shutil.rmtree(left_over) if left_over.is_dir() else left_over.unlink()


def _inputs(target: Target, sources: Path) -> str:
    """Hash everything that the outcome depends on: the sources, the target and the build itself."""
    builder = digest(Path(__file__), Path(__file__).parent / "artifacts")
    return f"{target.platform} {builder} {digest(sources)}\n"


def _copy_sources(sources: Path, place: str, root: Path) -> None:
    for path in files_below(sources):
        copy = root / place / path.relative_to(sources)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)


@contextmanager
def _alone(artifacts: Path) -> Iterator[None]:
    """Keep a second build of the same target waiting; it will then find everything up to date."""
    with (artifacts / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Build, and print how large each artifact is."""
    parser = argparse.ArgumentParser(prog="python -m infra.build", description="Build the Lambda layers and functions.")
    parser.add_argument("--target", choices=sorted(TARGETS), default="aws")
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    options = parser.parse_args()
    try:
        artifacts = build(TARGETS[options.target], out=options.out)
    except BuildError as error:
        sys.exit(str(error))
    for archive in sorted(artifacts.rglob("*.zip")):
        print(_describe(archive, artifacts))  # noqa: T201 - a person runs this


def _describe(archive: Path, artifacts: Path) -> str:
    files = [path for path in archive.with_suffix("").rglob("*") if path.is_file()]
    unzipped = sum(path.stat().st_size for path in files) / MEGABYTE
    zipped = archive.stat().st_size / MEGABYTE
    name = archive.relative_to(artifacts).with_suffix("").as_posix()
    return f"{name:<24}{unzipped:8.2f} MB {len(files):6} files {zipped:8.2f} MB zipped"


if __name__ == "__main__":
    main()
