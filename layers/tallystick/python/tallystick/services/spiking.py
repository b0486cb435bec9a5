"""Notice when more is credited than usual, and when that is over."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.domain.errors import StoreUnavailable
from tallystick.domain.spikes import Credit, Spike, SpikeRule, asset_of, baseline, is_over, is_spike
from tallystick.domain.times import to_rfc3339
from tallystick.services.ports.alerts import Alert, Alerts
from tallystick.services.ports.spikes import Spikes

CREDIT_SPIKE: Final = "CREDIT_SPIKE"
MAX_ATTEMPTS: Final = 3
"""Tries of a change that meets those of others."""

LATE_MS: Final = 60_000
"""So long after a window the stream may still bring what belongs into it."""


@dataclass(frozen=True, slots=True)
class SpikeWatch:
    """Gather what watching for spikes needs; rules are by asset."""

    spikes: Spikes
    alerts: Alerts
    rules: Mapping[str, SpikeRule]


def judge(*, watch: SpikeWatch, counted: Iterable[Credit]) -> None:
    """Tell people of each window that is a spike, among those in which something was counted.

    The same again tells nobody again, so a batch that comes twice may be judged twice.

    Raises:
        StoreUnavailable: a spike may not be told of; the same call again does it.
    """
    windows = dict.fromkeys((credit.subject, credit.begins_ms) for credit in counted)
    for (subject, begins_ms), units in watch.spikes.counts(windows).items():
        rule = watch.rules[asset_of(subject)]
        if units > rule.floor_of(subject):
            history = _history(watch, rule, subject, begins_ms)
            if is_spike(units, history, rule.floor_of(subject), rule.factor):
                _tell(watch, Credit(subject, begins_ms, units), history)


def judge_open(*, watch: SpikeWatch, now_ms: int) -> int:
    """End what is over, as the last whole window tells, also when nothing is credited any more; say how many.

    Raises:
        StoreUnavailable: something may not be ended; the next call does it.
    """
    over = [spike for spike in watch.spikes.open() if _is_over(watch, spike, now_ms)]
    for spike in over:
        # In this order: what is ended twice is ended, and what is forgotten before would never be.
        watch.alerts.end_alert(CREDIT_SPIKE, spike.subject)
        watch.spikes.save(spike.over(_last_whole(watch, spike, now_ms)))
    return len(over)


def _is_over(watch: SpikeWatch, spike: Spike, now_ms: int) -> bool:
    """Judge the last whole window, once it is not before the one that was a spike; without a rule it is over."""
    rule, begins_ms = watch.rules.get(asset_of(spike.subject)), _last_whole(watch, spike, now_ms)
    if rule is None:
        return True
    if begins_ms < spike.begins_ms:
        return False
    (units,) = watch.spikes.counts([(spike.subject, begins_ms)]).values()
    history = _history(watch, rule, spike.subject, begins_ms)
    return is_over(units, history, rule.floor_of(spike.subject), rule.factor)


def _last_whole(watch: SpikeWatch, spike: Spike, now_ms: int) -> int:
    rule = watch.rules.get(asset_of(spike.subject))
    return spike.begins_ms if rule is None else rule.window_at(now_ms - LATE_MS) - rule.window_ms


def _history(watch: SpikeWatch, rule: SpikeRule, subject: str, begins_ms: int) -> list[int]:
    windows = [(subject, before_ms) for before_ms in rule.before(begins_ms)]
    counts = watch.spikes.counts(windows)
    return [counts[window] for window in windows]


def _tell(watch: SpikeWatch, credit: Credit, history: Sequence[int]) -> None:
    """Write a spike down before people are told, or nobody would end it; leave out what was over before."""
    if _is_noted(watch, credit):
        asset, _, owner_id = credit.subject.partition(":")
        usual = baseline(history)
        facts = {
            "asset": asset,
            **({"owner_id": owner_id} if owner_id else {}),
            "window": to_rfc3339(credit.begins_ms),
            "units": str(credit.units),
            "usual_units": "unknown" if usual is None else str(round(usual)),
        }
        watch.alerts.raise_alert(Alert(CREDIT_SPIKE, "medium", facts, credit.subject))


def _is_noted(watch: SpikeWatch, credit: Credit) -> bool:
    """Note the window; tell whether the spike is open."""
    for _ in range(MAX_ATTEMPTS):
        known = watch.spikes.get(credit.subject)
        if known is not None and credit.begins_ms <= known.begins_ms:
            return known.is_open
        following = known.seen(credit.begins_ms) if known else Spike(credit.subject, credit.begins_ms)
        if watch.spikes.save(following):
            return True
    raise StoreUnavailable("The spike was being written at every try; try again.")
