"""Let handlers of the clock say how their runs went."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tallystick.services.jobs import noted
from tallystick.wiring.alerting import watch

Handler = Callable[[dict[str, Any], LambdaContext], None]


def job(name: str) -> Callable[[Handler], Handler]:
    """Note each run of a handler under a name: that of its function, which `TALLYSTICK_JOBS` has for it too."""

    def noting(handler: Handler) -> Handler:
        @wraps(handler)
        def run(event: dict[str, Any], context: LambdaContext) -> None:
            with noted(watch=watch(), name=name):
                handler(event, context)

        return run

    return noting
