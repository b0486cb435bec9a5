"""What is built for Lambda: compiled for who runs it, stripped to what is used, and sufficient."""

import json
import subprocess
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from infra.artifacts.dependencies import SERVICES
from infra.artifacts.target import AWS, LOCAL, TARGETS, BuildError
from infra.build import FUNCTION_MOUNT, LAYER_MOUNT, build
from infra.routes import FUNCTIONS

CHECK_BYTECODE = Path(__file__).with_name("check_bytecode.py")
PARTS = ("dependencies", "tallystick", *(f"functions/{name}" for name in FUNCTIONS))
AARCH64 = 183


@cache
def built(name: str) -> Path:
    """Bring the artifacts of a target up to date, once."""
    target = TARGETS[name]
    try:
        target.interpreter()
    except BuildError as error:
        pytest.skip(str(error))
    return build(target)


@pytest.fixture(params=sorted(TARGETS))
def artifacts(request: pytest.FixtureRequest) -> Path:
    """Give the built artifacts of each target in turn."""
    return built(request.param)


@pytest.mark.parametrize("part", PARTS)
def test_bytecode_is_there_and_is_what_the_runtime_trusts(artifacts: Path, part: str) -> None:
    """Without it every cold start compiles; with a checked one it still reads and hashes every source."""
    interpreter = TARGETS[artifacts.name].interpreter()
    mounted_at = FUNCTION_MOUNT if part.startswith("functions/") else LAYER_MOUNT
    done = subprocess.run(  # noqa: S603
        [interpreter, "-I", CHECK_BYTECODE, artifacts / part, mounted_at], capture_output=True, text=True, check=True
    )

    verdict = json.loads(done.stdout)
    assert verdict["faults"] == []
    assert verdict["compiled"] > 0


@pytest.mark.parametrize("part", PARTS)
def test_the_archive_holds_the_folder(artifacts: Path, part: str) -> None:
    """The archive is what is deployed."""
    folder = artifacts / part
    with zipfile.ZipFile(f"{folder}.zip") as archive:
        assert {entry.filename: entry.file_size for entry in archive.infolist()} == {
            path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()
        }


def test_only_the_used_services_are_described(artifacts: Path) -> None:
    """The other four hundred are two thirds of the layer."""
    site = artifacts / "dependencies" / "python"
    data = site / "botocore" / "data"

    assert {path.name for path in data.iterdir() if path.is_dir()} == SERVICES
    assert not (site / "boto3" / "data").exists()


def test_nothing_is_shipped_for_installers_and_type_checkers(artifacts: Path) -> None:
    """Of what pip leaves, only the versions are read at run time."""
    site = artifacts / "dependencies" / "python"

    assert [path for path in site.rglob("*") if path.suffix in {".pyi", ".exe"} or path.name == "py.typed"] == []
    records = [path.name for path in site.glob("*.dist-info/**/*") if path.is_file()]
    assert set(records) == {"METADATA"}
    assert not (site / "bin").exists()


def test_native_extensions_are_those_of_graviton_and_its_python() -> None:
    """One of another machine or Python is an import error at the first request."""
    extensions = list((built(AWS.name) / "dependencies").rglob("*.so"))

    assert {path.name.partition(".")[0] for path in extensions} == {
        *("_cffi_backend", "_pydantic_core", "_rust", "_wrappers"),  # of cffi, pydantic, cryptography and wrapt
        *("_cpuid_c", "_keccak", "_sodium", "cd", "md"),  # of pycryptodome, PyNaCl and charset-normalizer
    }
    for path in extensions:
        header = path.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert int.from_bytes(header[18:20], "little") == AARCH64
        # Those of the stable interface are built for every Python from their own minimum on.
        own = f".cpython-{AWS.python_version.replace('.', '')}-aarch64-"
        assert own in path.name or path.name.endswith(".abi3.so")


def test_destinations_can_be_checked_from_the_layer_alone(in_lambda: Callable[[str], str]) -> None:
    """Most of two libraries was stripped, and what is left has to be enough."""
    script = """
from tallystick.adapters.destinations import bitcoin, evm, iban
print(evm.check("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed").type)
print(bitcoin.check("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4").type)
print(iban.check("BE68539007547034", "Ada").type)
import stellar_sdk
"""
    assert in_lambda(script).split() == ["evm", "bitcoin", "iban"]


def test_clients_can_be_made_from_the_layer_alone(in_lambda: Callable[[str], str]) -> None:
    """A service that was stripped cannot."""
    script = """
import boto3, botocore, json
from botocore.exceptions import UnknownServiceError
session = boto3.Session(region_name="us-east-1", aws_access_key_id="-", aws_secret_access_key="-")
services = ("cognito-idp", "dynamodb", "secretsmanager", "sns", "sqs", "xray")
hosts = [session.client(service).meta.endpoint_url for service in services]
try:
    session.client("s3")
    hosts.append("s3 is still there")
except UnknownServiceError:
    pass
print(json.dumps([boto3.__file__, botocore.__file__, *hosts]))
"""
    boto3_file, botocore_file, *hosts = json.loads(in_lambda(script))

    layer = str(built(LOCAL.name) / "dependencies" / "python")
    assert boto3_file.startswith(layer)
    assert botocore_file.startswith(layer)
    assert hosts == [f"https://{service}.us-east-1.amazonaws.com" for service in sorted(SERVICES)]


def test_our_code_needs_nothing_beside_the_layers(in_lambda: Callable[[str], str]) -> None:
    """A package that only developers have would be missed in Lambda first."""
    script = """
import importlib, pkgutil, tallystick
modules = [module.name for module in pkgutil.walk_packages(tallystick.__path__, "tallystick.")]
for name in modules:
    importlib.import_module(name)
print(len(modules))
"""
    assert int(in_lambda(script)) > 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_can_be_imported(in_lambda: Callable[[str], str], name: str) -> None:
    """Reading no setting yet: nothing reads the environment at import."""
    script = f"import functions.{name}.handler as module; print(callable(module.handler), module.__file__)"
    is_callable, file = in_lambda(script).split()

    assert is_callable == "True"
    assert Path(file).is_relative_to(built(LOCAL.name))


@pytest.fixture
def in_lambda() -> Callable[[str], str]:
    """Run a script with the standard library and the built code, and nothing else."""
    artifacts = built(LOCAL.name)
    paths = [str(artifacts / layer / "python") for layer in ("dependencies", "tallystick")]
    paths += [str(artifacts / "functions" / name) for name in FUNCTIONS]

    def run(script: str) -> str:
        # -S: not even the packages of this virtual environment.
        command = [str(LOCAL.interpreter()), "-I", "-S", "-c", f"import sys; sys.path[:0] = {paths!r}\n{script}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
