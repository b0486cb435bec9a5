"""Hand records of the stream of `transfers` to the function that adds them up."""

import io
import json
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.tally.handler import handler, metrics
from tallystick.domain.spikes import Spike
from tallystick.domain.tallies import Total
from tallystick.domain.transfers import IdempotencyKey
from tallystick.wiring import tallies
from tests.functions import cloud
from tests.functions.samples import Sample, samples_of
from tests.functions.world import NOW_MS, Clock, handler_of
from tests.support.moto import Snapshot

BY_NAME: Final = {sample.name: sample for sample in samples_of("tally")}
REASONS: Final = {
    "1-39-digits": "the store does not take the sum",
    "1-a-reversal-marker": "the record lacks key_source, key_scope, key_reference, kind, asset, scale, postings,"
    " created_at_ms",
    "1-a-tombstone": "the record is no transfer that stands under its own key",
    "1-a-time-of-no-calendar": "the record has a time of no calendar",
    "1-account-of-another-asset": "external:stripe:EUR does not hold USD",
    "1-of-unknown-kind": "the record cannot be read",
    "1-out-of-balance": "the postings do not sum to zero",
    "1-under-another-key": "the record is no transfer that stands under its own key",
    "1-units-not-a-number": "the record cannot be read",
    "1-without-a-time": "the record lacks created_at_ms",
    "1-without-postings": "the record lacks postings",
    "1-without-units": "the record lacks a part of a posting",
}
"""What people are told of the last record of each sample with one that cannot be added."""

pytestmark = pytest.mark.usefixtures("small_world", "namespace")


@pytest.fixture
def namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics.provider, "namespace", "Tallystick")


def tally(event: dict[str, Any]) -> list[str]:
    """Hand over a batch; give where it has to be read again from."""
    return [failure["itemIdentifier"] for failure in handler(event, LambdaContext())["batchItemFailures"]]


def totals() -> dict[str, tuple[int, int]]:
    return {total.account_id: (total.balance, total.postings) for total in tallies.tallies().totals()}


def expected(*samples: Sample, without: tuple[str, ...] = ()) -> dict[str, tuple[int, int]]:
    """Add up the images of samples, each record once, without the product's code."""
    images = {image["transfer_key"]["S"]: image for sample in samples for image in images_of(sample)}
    found: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for transfer_key, image in images.items():
        for posting in image["postings"]["L"] if transfer_key not in without else ():
            account, units = posting["M"]["account_id"]["S"], int(posting["M"]["units"]["N"])
            if account.startswith("external:"):
                found[account] = found[account][0] + units, found[account][1] + 1
    return dict(found)


def images_of(sample: Sample) -> list[dict[str, Any]]:
    return [record["dynamodb"]["NewImage"] for record in sample.event["Records"]]


@pytest.mark.parametrize("sample", samples_of("tally"), ids=str)
def test_sample_is_tallied_but_for_what_cannot_be(
    sample: Sample, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tally(sample.event) == []
    told = cloud.alerts()
    assert len(told) == sample.number
    assert {(alert["kind"], alert["severity"]) for alert in told} <= {("TALLY_REJECTED", "critical")}
    if sample.number == 1:
        (alert,) = told
        assert alert["reason"] == REASONS[sample.name]
        assert alert["transfer_key"] == images_of(sample)[-1]["transfer_key"]["S"]
    rejected = tuple(alert["transfer_key"] for alert in told)
    assert totals() == expected(sample, without=rejected)
    line = json.loads(log.getvalue())
    assert (line["records"], line["rejected"]) == (len(sample.event["Records"]), sample.number)
    assert line["level"] == ("ERROR" if sample.number else "INFO")
    assert "wal_ada" not in log.getvalue()
    printed = json.loads(capsys.readouterr().out)
    assert (printed["TransferTallied"], printed["TransferNotTallied"]) == ([line["added"]], [sample.number])


def test_every_reason_has_its_sample() -> None:
    assert {name for name in BY_NAME if name.startswith("1-")} == set(REASONS)


def test_what_can_be_added_is_added_beside_what_cannot() -> None:
    tally(BY_NAME["2-among-others"].event)
    assert totals() == {
        "external:stripe:USD": (-9000, 2),
        "external:fees:USD": (25, 1),
        "external:truelayer:EUR": (-1200, 1),
    }


@pytest.mark.parametrize("sample", samples_of("tally"), ids=str)
def test_a_batch_that_comes_again_changes_nothing(sample: Sample) -> None:
    tally(sample.event)
    before = kept()
    assert tally(sample.event) == []
    assert kept() == before


def kept() -> dict[str, Any]:
    """Show what is stored, but for alerts, which count how often they were seen."""
    tables = Snapshot.take().as_json()
    operations = {key: item for key, item in tables["operations"].items() if "alert#" not in key}
    return {**tables, "operations": operations}


def test_a_total_is_told_as_of_a_cut() -> None:
    tally(BY_NAME["0-all-kinds"].event)
    at_ms = int(images_of(BY_NAME["0-credit"])[0]["created_at_ms"]["N"]) // 10_000 * 10_000
    port, buckets = tallies.tallies(), range(at_ms // 10_000 + 1, at_ms // 10_000 + 20)
    assert port.without("external:stripe:USD", buckets) == Total("external:stripe:USD", "USD", 2, -10_000, 1)


@pytest.mark.parametrize("operation", ["TransactWriteItems", "BatchGetItem", "Publish"])
def test_while_the_store_is_in_trouble_the_batch_comes_back_and_nothing_is_lost_or_doubled(operation: str) -> None:
    samples = BY_NAME["0-all-kinds"], BY_NAME["2-among-others"]
    event = {"Records": [record for sample in samples for record in sample.event["Records"]]}
    tally(BY_NAME["0-credit"].event)
    with cloud.watched(before=cloud.refusing(operation)):
        assert tally(event) == [event["Records"][0]["dynamodb"]["SequenceNumber"]]
    assert tally(event) == []
    assert totals() == expected(BY_NAME["0-all-kinds"])
    assert [alert["kind"] for alert in cloud.alerts()] == ["TALLY_REJECTED"] * 2


@pytest.mark.filterwarnings("ignore:No application metrics")
@pytest.mark.parametrize(
    ("moment", "position"), [*(("before", number) for number in range(5)), *(("after", number) for number in range(4))]
)
def test_a_lambda_that_dies_at_any_call_leaves_what_the_next_one_finishes(moment: str, position: int) -> None:
    sample = BY_NAME["2-among-others"]
    tally(BY_NAME["0-credit"].event)
    with cloud.watched(**{moment: cloud.at(position, cloud.Killed)}), pytest.raises(cloud.Killed):
        tally(sample.event)  # five calls, of which one is refused
    tally(sample.event)
    assert totals()["external:stripe:USD"] == (-9000, 2)
    assert {alert["transfer_key"] for alert in cloud.alerts()} == {
        images_of(sample)[number]["transfer_key"]["S"] for number in (0, 2)
    }


@pytest.mark.filterwarnings("ignore:No application metrics")
def test_a_mistake_of_ours_is_not_swallowed() -> None:
    refusing = cloud.refusing("TransactWriteItems", code="AccessDeniedException")
    with cloud.watched(before=refusing), pytest.raises(Exception, match="transaction"):
        tally(BY_NAME["0-credit"].event)
    assert cloud.alerts() == []


# Spikes of credits

SPIKES: Final = '{"USD": {"floor": "99", "owner_floor": "99", "factor": 2, "window_s": 60}}'
(TICK,) = samples_of("spike_sweep")


def credited(units: int, at_ms: int, key: str) -> dict[str, Any]:
    """Make a batch with one credit to ada, as the stream tells of it."""
    posting = {"wal_ada_usd": units, "external:stripe:USD": -units}
    image = images_of(BY_NAME["0-credit"])[0] | {
        "created_at_ms": {"N": str(at_ms)},
        "key_reference": {"S": key},
        "transfer_key": {"S": IdempotencyKey("api", "till", key).digest},
        "postings": {
            "L": [
                {
                    "M": {"account_id": {"S": name}, "units": {"N": str(each)}}
                    | ({"owner_id": {"S": "ada"}} if each > 0 else {})
                }
                for name, each in posting.items()
            ]
        },
    }
    event = BY_NAME["0-credit"].event
    event["Records"][0]["dynamodb"] |= {"NewImage": image, "Keys": {"transfer_key": image["transfer_key"]}}
    return event


def test_a_spike_is_told_of_and_ends(
    configure: Callable[..., None], clock: Clock, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(TALLYSTICK_CREDIT_SPIKES=SPIKES)
    for number in range(12):
        tally(credited(1000, NOW_MS - (12 - number) * 60_000, f"usual-{number}"))
    assert cloud.alerts() == []
    tally(credited(9900, NOW_MS, "much"))
    assert cloud.alerts() == []
    tally(credited(1, NOW_MS, "more"))
    told = {(alert["kind"], alert["severity"], alert.get("owner_id"), alert["units"]) for alert in cloud.alerts()}
    assert told == {("CREDIT_SPIKE", "medium", owner_id, "9901") for owner_id in (None, "ada")}
    _clear(log, capsys)
    for later_ms, over in ((179_999, 0), (180_000, 2), (240_000, 0)):
        clock.now_ms = NOW_MS + later_ms
        handler_of("spike_sweep")(TICK.event, LambdaContext())
        assert json.loads(_clear(log, capsys))["SpikesOver"] == [over]


def test_sweep_ends_what_is_over(
    configure: Callable[..., None], clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(TALLYSTICK_CREDIT_SPIKES=SPIKES)
    assert tallies.spike_watch().spikes.save(Spike("USD", NOW_MS - 600_000))
    handler_of("spike_sweep")(TICK.event, LambdaContext())
    assert clock.now_ms == NOW_MS
    assert json.loads(capsys.readouterr().out)["SpikesOver"] == [TICK.number]
    assert tallies.spike_watch().spikes.open() == []


def test_without_rules_nothing_is_counted() -> None:
    tally(credited(10**9, NOW_MS, "much"))
    assert not any(row["operation_key"]["S"].startswith("credits#") for row in cloud.rows("operations"))


def _clear(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> str:
    """Give what was printed since the last time."""
    log.truncate(0)
    return capsys.readouterr().out
