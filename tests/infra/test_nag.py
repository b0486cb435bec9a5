"""cdk-nag finds nothing that is not acknowledged, and no acknowledgement is without its finding."""

from pathlib import Path

import pytest
from aws_cdk import App, Stack
from aws_cdk.aws_s3 import Bucket

from infra import nag
from tests.infra.connected import connected
from tests.infra.synthesis import STAGES, Synthesis, findings, new_app, read, stage_of


def test_there_are_no_errors_and_no_warnings(synthesis: Synthesis) -> None:
    """Both packs have run."""
    packs = {pack["pluginName"]: pack["conclusion"] for pack in synthesis.report["pluginReports"]}

    assert packs == {"AwsSolutions": "success", "Serverless": "success"}
    assert list(findings(synthesis.report)) == []


def test_providers_bring_no_finding(with_providers: Synthesis) -> None:
    """A stage with all of them is accepted for the same reasons."""
    assert list(findings(with_providers.report)) == []


@pytest.mark.parametrize("name", [*STAGES, "with providers"])
def test_acknowledged_is_exactly_what_is_found(name: str, tmp_path: Path) -> None:
    """Without the acknowledgements each of their findings comes back, and none other."""
    stage = connected() if name == "with providers" else stage_of(name)
    app, stack = new_app(stage, tmp_path / stage.name)
    nag.check(app)

    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()

    found = set(findings(read(tmp_path / stage.name, stack.stack_name).report))
    assert found == set(nag.accepted(stage))


def test_a_bad_construct_stops_the_synthesis(tmp_path: Path) -> None:
    """The rules are really run: an open bucket does not get through."""
    app = App(outdir=str(tmp_path))
    stack = Stack(app, "Careless")
    Bucket(stack, "Bucket")
    nag.check(app)

    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()

    assert nag.Finding("Bucket/Resource", "AwsSolutions-S10") in set(findings(read(tmp_path, "Careless").report))


def test_acknowledging_what_is_not_there_fails(tmp_path: Path) -> None:
    """A renamed construct takes its acknowledgements along, or synthesis says so."""
    stage = stage_of("local")
    stack = Stack(App(outdir=str(tmp_path)), "Empty")

    with pytest.raises(RuntimeError, match="No child with id: 'Identity'"):
        nag.acknowledge(stack, stage)
