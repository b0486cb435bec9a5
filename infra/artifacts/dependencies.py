"""Install the third-party layer from its pinned, hashed requirements and drop what no function uses."""

import shutil
from pathlib import Path

from infra.artifacts.target import Target, run_uv

# The services that functions call, and X-Ray's, since importing its SDK makes a client for it. Credentials come from
# the environment, so not even STS is needed.
SERVICES = frozenset({"cognito-idp", "dynamodb", "secretsmanager", "sns", "sqs", "xray"})

# Examples, and descriptions for boto3.resource, which costs 174 ms at a cold start and is not used; commands;
# and what only type checkers and installers read. METADATA stays: pydantic and urllib3 look up versions.
_UNUSED = (
    "bin",
    "boto3/data",
    "boto3/examples",
    "*-stubs",
    "**/*.pyi",
    "**/py.typed",
    "*.dist-info/**/*",
    ".lock",
    # Of pycryptodome Keccak alone is used, for Ethereum's addresses, and of stdnum the IBANs without each country's own
    # numbers.
    "Crypto/[!HU_]*",
    "Crypto/Hash/[!_k]*",
    "Crypto/Hash/_[!_k]*",
    "Crypto/Hash/_k12*",
    "Crypto/Util/[!_]*",
    "Crypto/Util/_strxor*",
    "stdnum/[!i]*.dat",
    "stdnum/i[!b]*.dat",
    "stdnum/[a-z][a-z]",
    "stdnum/i[ns]_",
)


def install_dependencies(requirements: Path, target: Target, root: Path) -> None:
    """Fill the layer's folder with exactly the pinned packages, for the target.

    Raises:
        BuildError: a package has no wheel for the target, or not the recorded hash.
    """
    site = root / "python"
    run_uv(
        *("pip", "install", "--quiet", "--target", str(site), "--link-mode", "copy"),
        *("--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *target.install_options,
        *("--requirements", str(requirements)),
    )
    strip(site)


def strip(site: Path) -> None:
    """Remove what no function uses."""
    unused = [path for pattern in _UNUSED for path in site.glob(pattern) if path.name != "METADATA"]
    unused += [path for path in site.glob("botocore/data/*") if path.is_dir() and path.name not in SERVICES]
    for path in unused:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
