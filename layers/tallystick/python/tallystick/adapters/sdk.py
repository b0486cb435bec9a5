"""Open clients of the AWS SDK, bounded in time and tries; from one session, for each session reads its data anew."""

from functools import cache
from typing import Any, Final

import botocore.session
from botocore.config import Config

CONFIG: Final = Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3, "mode": "standard"})


def open_client(service: str, region: str, config: Config = CONFIG) -> Any:  # noqa: ANN401 (made at run time)
    """Make a client of a service."""
    return _session().create_client(service, region_name=region, config=config)


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()
