"""Building is repeatable, does nothing twice, and does not hide what it cannot do."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra.artifacts.target import AWS, LOCAL, BuildError
from infra.build import build

GREET = 'GREETING = "hello"\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Make a project with no packages, one module and two functions."""
    root = tmp_path / "source"
    write(root / "layers/dependencies/requirements.txt", "")
    write(root / "layers/tallystick/python/tallystick/greet.py", GREET)
    for name in ("first", "second"):
        write(root / "functions" / name / "handler.py", f'NAME = "{name}"\n')
    write(root / "functions/notes/readme.txt", "no function: it has no handler")
    return root


@pytest.fixture
def rebuild(source: Path, tmp_path: Path) -> Callable[[], dict[str, bytes]]:
    """Build it, and give the archives by their names."""

    def archives() -> dict[str, bytes]:
        artifacts = build(LOCAL, source=source, out=tmp_path / "out")
        return {path.relative_to(artifacts).as_posix(): path.read_bytes() for path in artifacts.rglob("*.zip")}

    return archives


def test_everything_is_built_and_nothing_else(rebuild: Callable[[], dict[str, bytes]]) -> None:
    """A folder without a handler is no function."""
    names = {"dependencies.zip", "tallystick.zip", "functions/first.zip", "functions/second.zip"}

    assert set(rebuild()) == names


def test_code_lies_where_lambda_imports_it_from(rebuild: Callable[[], dict[str, bytes]], tmp_path: Path) -> None:
    """Layers below python/, functions below their own package."""
    rebuild()

    cached = f"__pycache__/handler.{sys.implementation.cache_tag}.pyc"
    first = tmp_path / "out/local/functions/first"
    assert files(first) == {"functions/first/handler.py", f"functions/first/{cached}"}
    assert "python/tallystick/greet.py" in files(tmp_path / "out/local/tallystick")


def test_the_same_sources_make_the_same_archives(source: Path, tmp_path: Path) -> None:
    """Asset hashes change with the sources and with nothing else: not with times, and not with folders."""
    one = build(LOCAL, source=source, out=tmp_path / "one")
    (source / "functions/first/handler.py").touch()
    write(source / "functions/first/__pycache__/handler.cpython-310.pyc", "left by a test run")
    two = build(LOCAL, source=source, out=tmp_path / "two")

    for name in ("tallystick.zip", "functions/first.zip", "functions/second.zip"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_what_is_up_to_date_is_left_alone(rebuild: Callable[[], dict[str, bytes]], tmp_path: Path) -> None:
    """And what is missing is made again."""
    rebuild()
    before = written_at(tmp_path / "out")
    rebuild()
    assert written_at(tmp_path / "out") == before

    (tmp_path / "out/local/functions/first.zip").unlink()
    assert "functions/first.zip" in rebuild()


def test_only_what_changed_is_built_again(
    rebuild: Callable[[], dict[str, bytes]], source: Path, tmp_path: Path
) -> None:
    """A changed handler costs one small archive."""
    old, before = rebuild(), written_at(tmp_path / "out")
    write(source / "functions/second/handler.py", 'NAME = "other"\n')
    new, after = rebuild(), written_at(tmp_path / "out")

    assert {name for name in new if old[name] != new[name]} == {"functions/second.zip"}
    assert {name for name in after if before[name] != after[name]} == {"functions/second.zip"}


def test_a_removed_function_is_removed(rebuild: Callable[[], dict[str, bytes]], source: Path, tmp_path: Path) -> None:
    """It would else be found by whoever looks into the folder."""
    rebuild()
    (source / "functions/second/handler.py").unlink()

    assert "functions/second.zip" not in rebuild()
    assert {path.stem for path in (tmp_path / "out/local/functions").iterdir()} == {"first"}


def test_a_source_that_does_not_compile_fails_the_build_each_time(
    rebuild: Callable[[], dict[str, bytes]], source: Path
) -> None:
    """A failed build must not pass for one that is up to date."""
    write(source / "functions/first/handler.py", "def broken(:\n")

    for _ in range(2):
        with pytest.raises(BuildError, match="first does not compile") as caught:
            rebuild()
        assert "def broken(:" in str(caught.value)


def test_an_interrupted_build_is_not_up_to_date(
    rebuild: Callable[[], dict[str, bytes]], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever half of it is there: without its stamp it is built again."""
    rebuild()
    write(source / "functions/first/handler.py", 'NAME = "other"\n')
    monkeypatch.setattr("infra.artifacts.package.shutil.rmtree", interrupt)

    with pytest.raises(KeyboardInterrupt):
        rebuild()

    assert not (tmp_path / "out/local/functions/first.stamp").exists()
    assert (tmp_path / "out/local/functions/second.stamp").exists()


def test_a_missing_python_fails_the_build(source: Path, tmp_path: Path) -> None:
    """With what to do about it: bytecode of another version would be ignored without a word."""
    future = replace(AWS, python_version="3.99")

    with pytest.raises(BuildError, match=r"Install it, for example with `uv python install 3\.99`"):
        build(future, source=source, out=tmp_path / "out")


def test_packages_without_their_hash_are_refused(source: Path, tmp_path: Path) -> None:
    """Nothing gets into the layer that was not pinned to the byte."""
    write(source / "layers/dependencies/requirements.txt", "six==1.17.0\n")

    with pytest.raises(BuildError, match="--require-hashes"):
        build(LOCAL, source=source, out=tmp_path / "out")


def interrupt(*_: object, **__: object) -> None:
    """End as Ctrl-C does."""
    raise KeyboardInterrupt


def write(path: Path, text: str) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def files(root: Path) -> set[str]:
    """Name all files below a folder."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def written_at(out: Path) -> dict[str, int]:
    """Note when each archive was written."""
    local = out / "local"
    return {path.relative_to(local).as_posix(): path.stat().st_mtime_ns for path in local.rglob("*.zip")}
