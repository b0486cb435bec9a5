"""Judge a built folder's bytecode by the very Python that will read it; run by that Python, prints JSON.

`python check_bytecode.py FOLDER MOUNTED_AT` prints `{"compiled": count, "faults": [...]}`.
"""

import importlib.util
import json
import marshal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

UNCHECKED_HASH = 0b01
HEADER_BYTES = 16


def main() -> None:
    """Check each source's bytecode, and that no bytecode is without its source."""
    root, mounted_at = Path(sys.argv[1]), sys.argv[2]
    sources = sorted(root.rglob("*.py"))
    faults = [f"{source}: {fault}" for source in sources for fault in faults_of(source, root, mounted_at)]
    expected = {Path(importlib.util.cache_from_source(str(source))) for source in sources}
    faults += [f"{cache}: has no source" for cache in sorted(set(root.rglob("*.pyc")) - expected)]
    print(json.dumps({"compiled": len(sources), "faults": faults}))  # noqa: T201 - the answer


def faults_of(source: Path, root: Path, mounted_at: str) -> Iterator[str]:
    """Say what is wrong with the bytecode of a source."""
    cache = Path(importlib.util.cache_from_source(str(source)))
    if not cache.is_file():
        yield "is not compiled"
        return
    bytecode = cache.read_bytes()
    if bytecode[:4] != importlib.util.MAGIC_NUMBER:
        yield "is compiled by another Python"
        return
    if int.from_bytes(bytecode[4:8], "little") != UNCHECKED_HASH:
        yield "is checked against its source at every start"
    if bytecode[8:16] != importlib.util.source_hash(source.read_bytes()):
        yield "is compiled from another source"
    code = marshal.loads(bytecode[HEADER_BYTES:])  # noqa: S302 - of our own build
    place = f"{mounted_at}/{source.relative_to(root).as_posix()}"
    if not isinstance(code, CodeType) or code.co_filename != place:
        yield "shows a path in its stack traces that is not where it runs"


if __name__ == "__main__":
    main()
