"""A stage's configuration is right, or all that is wrong with it is said at once."""

from typing import Any

import pytest

from infra.app import file_context
from infra.stage import StageError, load_stage

STAGES: dict[str, Any] = file_context()["stages"]


def test_every_mistake_is_named() -> None:
    """One run shows all that has to be corrected."""
    wrong = {
        **STAGES["staging"],
        "log_retention_days": 2,
        "throttle": {"rate_per_s": 0, "burst": "many"},
        "cors_origins": ["*"],
        "service_limits": {"USD": "1e5"},
        "reserved_concurrency": {"credits": 1},
        "surplus": True,
    }

    with pytest.raises(StageError) as caught:
        load_stage("staging", {"staging": wrong})

    lines = str(caught.value).splitlines()
    assert lines[0] == "Stage 'staging' is misconfigured:"
    assert {line.split(":")[0].strip() for line in lines[1:]} == {
        "log_retention_days",
        "throttle.rate_per_s",
        "throttle.burst",
        "cors_origins.0",
        "service_limits.USD",
        "reserved_concurrency.credits.[key]",
        "surplus",
    }


def test_a_missing_setting_is_a_mistake() -> None:
    """There are no defaults for what differs between stages."""
    partial = {key: value for key, value in STAGES["staging"].items() if key != "throttle"}

    with pytest.raises(StageError, match=r"throttle: Field required"):
        load_stage("staging", {"staging": partial})


@pytest.mark.parametrize(("name", "stages"), [("nowhere", STAGES), (None, STAGES), ("local", None), ("x", {"x": 1})])
def test_an_unknown_stage_is_refused(name: object, stages: object) -> None:
    """With the names of those that exist."""
    with pytest.raises(StageError, match=r"is not in the context's `stages` \((local, staging, production|none|x)\)"):
        load_stage(name, stages)


def test_only_known_names_are_stages() -> None:
    """What protects the data hangs on the name, so that a new one has to be thought about."""
    with pytest.raises(StageError, match="name: Input should be 'local', 'staging' or 'production'"):
        load_stage("prod", {"prod": STAGES["production"]})
