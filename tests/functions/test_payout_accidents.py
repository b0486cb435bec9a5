"""Kill the worker and the processor before and after each call to AWS or a provider, or let that call fail.

Whatever happens, the sweeps bring it to its end: each payout is made once, or all of the money is back. In the short
profile one in three of these: the simulator, too, puts every fault to every call.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tallystick import wiring
from tallystick.domain.breaker import THRESHOLD, Breaker, BreakerState
from tallystick.domain.inbox import EventState
from tallystick.domain.money import parse_amount
from tallystick.services.breaking import BREAKER_OPEN
from tallystick.wiring import withdrawals as wired
from tests.functions import books, cloud, providers
from tests.functions.deliveries import stored as events
from tests.functions.paying import call_about, end, made, tell_time
from tests.functions.payouts import WALLETS, asked, id_of, money, stored
from tests.functions.playing import Played, accidents_of, at, silence, watched
from tests.functions.world import Clock
from tests.support.moto import Snapshot
from tests.support.profiles import some

STEPS_S: Final = (130, 330, 330, 330, 3700, 330)
"""Between sweeps: at first in the hour in which TrueLayer surely knows a key, and then until absence is proved."""

NOWHERE: Final = "GA7QYNF7SOWQ3GLR2BGMZEHXAVIRZA4KVWLTJJFC7MGXUA74P7UJVSGZ"
Act = Callable[[], object]

pytestmark = [
    pytest.mark.usefixtures("wallets_alone"),
    pytest.mark.filterwarnings("ignore:No application metrics"),
]


@dataclass
class Scene:
    """Hold what situations are made of, and how they end."""

    clock: Clock
    provider: str
    paid: bool
    played: Played = field(default_factory=Played)

    def ask(self, **request: Any) -> None:  # noqa: ANN401 (JSON)
        """Ask for the withdrawal; its message is in the queue."""
        asked(provider=self.provider, **request)
        tell_time(self.played, self.clock)

    def work(self) -> Act:
        """Wait until its time has come, to hand it to the worker."""
        self.clock.now_ms = max(self.clock.now_ms, stored().not_before_ms)
        tell_time(self.played, self.clock)
        return lambda: cloud.pay(id_of("key-1"))

    def go_on(self) -> None:
        """Let it be sent, and the provider bring it to its end."""
        with watched(self.played):
            self.work()()
        end(self.played, self.provider, paid=self.paid)

    def lose_the_answer(self) -> None:
        """Let it be sent, and the provider bring it to its end without that we know its id."""

        def lose(call: str) -> None:
            if call.startswith("POST") and call.endswith(("/v1/payouts", "/transfer", "/v3/payouts")):
                raise silence(call)

        with watched(self.played, after=lose):
            self.work()()
        end(self.played, self.provider, paid=self.paid)

    def tell(self) -> Act:
        """Let the provider call, and have that processed."""
        with watched(self.played):
            call_about(self.played, self.provider, self.clock, paid=self.paid)
        (inbox_key,) = cloud.queued()
        return lambda: cloud.process(cloud.message(inbox_key))

    @property
    def is_over(self) -> bool:
        """Tell whether it has come to its end, and every event is done."""
        return stored().state in MOVED and all(event.state is not EventState.OPEN for event in events().values())

    def finish(self) -> None:
        """Let time pass until it is over."""
        for seconds in STEPS_S:
            if self.is_over:
                return
            self.go_by(seconds)
        assert self.is_over

    def go_by(self, seconds: int) -> None:
        """Let time pass, and other Lambdas do what is to be done then."""
        end(self.played, self.provider, paid=self.paid)
        cloud.forget_ledger()
        self.clock.now_ms += seconds * 1000
        tell_time(self.played, self.clock)
        with watched(self.played):
            cloud.sweep("withdrawal_sweep")
            cloud.deliver(providers.PAYOUT_QUEUE)
            if events():
                cloud.sweep()
                cloud.deliver()


def start_anew() -> None:
    """Start other Lambdas, which know nothing."""
    cloud.forget_settings()
    cloud.forget_ledger()


def sent(scene: Scene) -> Act:
    scene.ask()
    return scene.work()


def sent_to_what_was_new(scene: Scene) -> Act:
    scene.ask(wallet_id="wal_dora_usdc", amount="20")
    scene.clock.now_ms = stored().submit_after_ms
    return scene.work()


def sent_to_nobody(scene: Scene) -> Act:
    scene.ask(destination={"type": "stellar", "address": NOWHERE})
    return scene.work()


def sent_as_a_probe(scene: Scene) -> Act:
    scene.ask()
    wiring.breakers().save(Breaker(scene.provider, BreakerState.OPEN, THRESHOLD, scene.clock.now_ms, version=1))
    return scene.work()


def sent_though_refused(scene: Scene) -> Act:
    scene.ask(destination={"type": "stripe", "external_account": "ba_unknown"})
    return scene.work()


def looked_up(scene: Scene) -> Act:
    scene.ask()
    scene.go_on()
    return scene.work()


def looked_for(scene: Scene) -> Act:
    scene.ask()
    scene.lose_the_answer()
    return scene.work()


def sent_again(scene: Scene) -> Act:
    """Find that nothing has come of the first payment on Stellar, and that nothing can."""
    scene.ask()
    scene.played.put("stellar", "held", on=True)
    with watched(scene.played):
        scene.work()()
    scene.clock.now_ms += 125_000
    scene.played.put("stellar", "held", on=False)
    return scene.work()


def told(scene: Scene) -> Act:
    scene.ask()
    scene.go_on()
    return scene.tell()


def told_before_the_answer(scene: Scene) -> Act:
    scene.ask()
    scene.lose_the_answer()
    return scene.tell()


def told_that_it_came_back(scene: Scene) -> Act:
    scene.paid = True
    looked_up(scene)
    with watched(scene.played):
        scene.work()()
    scene.paid = False
    end(scene.played, scene.provider, paid=False)
    return scene.tell()


@dataclass(frozen=True)
class Situation:
    """Say what is under way by whom, how many calls that takes and what can happen to them, and how it ends."""

    begin: Callable[[Scene], Act]
    provider: str
    calls: int
    accidents: int
    ending: str = "COMPLETED"
    payouts: int = 1

    @property
    def is_paid(self) -> bool:
        """Tell whether the provider pays."""
        return self.ending == "COMPLETED"


SITUATIONS: Final = {
    "stripe, sent": Situation(sent, "stripe", 7, 21),
    "paystack, sent": Situation(sent, "paystack", 8, 26),
    "truelayer, sent": Situation(sent, "truelayer", 8, 26),
    "stellar, sent": Situation(sent, "stellar", 11, 29),
    "stellar, sent to what was new": Situation(sent_to_what_was_new, "stellar", 12, 33),
    "stellar, sent again": Situation(sent_again, "stellar", 16, 41),
    "stellar, sent to nobody": Situation(sent_to_nobody, "stellar", 14, 38, "FAILED", payouts=0),
    "stripe, sent as a probe": Situation(sent_as_a_probe, "stripe", 11, 33),
    "stripe, sent though refused": Situation(sent_though_refused, "stripe", 13, 39, "FAILED", payouts=0),
    "stripe, looked up": Situation(looked_up, "stripe", 7, 16),
    "paystack, looked up": Situation(looked_up, "paystack", 11, 30, "FAILED"),
    "stripe, looked for": Situation(looked_for, "stripe", 10, 24),
    "stripe, told": Situation(told, "stripe", 9, 22),
    "truelayer, told": Situation(told, "truelayer", 14, 41, "FAILED"),
    "paystack, told before the answer": Situation(told_before_the_answer, "paystack", 9, 22),
    "stripe, told that it came back": Situation(told_that_it_came_back, "stripe", 13, 36, "RETURNED"),
}
TOTAL: Final = 477
MOVED: Final = {
    "COMPLETED": ["withdrawal", "withdrawal-hold"],
    "FAILED": ["withdrawal-hold", "withdrawal-release"],
    "RETURNED": ["withdrawal", "withdrawal-hold", "withdrawal-return"],
}
ALERTS: Final = {"FAILED": "PAYOUT_FAILED", "RETURNED": "PAYOUT_RETURNED"}


def outcome(scene: Scene) -> dict[str, Any]:
    """Say all that matters in the end."""
    found, withdrawal = books.check(), stored()
    transfers = [one for one in found.transfers if one.metadata.get("withdrawal_id") == withdrawal.flow_id]
    sides = (f"external:{scene.provider}:{withdrawal.asset.code}", f"external:fees:{withdrawal.asset.code}")
    used = wired.quotas().used(f"withdrawals#dora#{withdrawal.asset.code}#2026-01-31")
    return {
        "state": withdrawal.state.value,
        "moved": sorted(one.kind.value for one in transfers),
        "wallet": money(withdrawal.wallet_id),
        "hold": money(withdrawal.hold_id),
        "sides": [found.side(side) for side in sides],
        "payouts": len(made(scene.played, scene.provider)),
        "used": (used.units, used.count),
        "events done": all(event.state is EventState.DONE for event in events().values()),
        # A probe that an accident befalls is told of: whether the breaker was open before, people know.
        "alerts": {alert["kind"] for alert in cloud.alerts()} - {BREAKER_OPEN},
    }


def expected(situation: Situation) -> dict[str, Any]:
    """Say what has to come of it."""
    withdrawal = stored()
    out = withdrawal.total_units if situation.is_paid else 0
    (opened,) = [row for row in WALLETS if row[0] == withdrawal.wallet_id]
    counted = bool(withdrawal.quota_day) and situation.ending != "FAILED"
    return {
        "state": situation.ending,
        "moved": MOVED[situation.ending],
        "wallet": (parse_amount(str(opened[3]), withdrawal.asset) - out, 0),
        "hold": (0, 0),
        "sides": [withdrawal.units, withdrawal.fee_units] if situation.is_paid else [0, 0],
        "payouts": situation.payouts,
        "used": (withdrawal.units, 1) if counted else (0, 0),
        "events done": True,
        "alerts": {alert for ending, alert in ALERTS.items() if ending == situation.ending},
    }


@pytest.mark.parametrize("name", SITUATIONS)
def test_an_accident_at_any_call_changes_nothing_in_the_end(name: str, clock: Clock) -> None:
    situation = SITUATIONS[name]
    scene = Scene(clock, situation.provider, situation.is_paid)
    act = situation.begin(scene)
    scene.played.remember()
    start, now_ms = Snapshot.take(), clock.now_ms
    start_anew()
    with watched(scene.played) as calls:
        act()
    scene.finish()
    wanted = expected(situation)
    assert outcome(scene) == wanted
    scene.go_by(7200)
    assert outcome(scene) == wanted
    accidents = [(number, *one) for number, call in enumerate(calls) for one in accidents_of(call)]
    for number, moment, accident in some(accidents):
        start.restore()
        cloud.reset()
        scene.played.restore()
        clock.now_ms = now_ms
        start_anew()
        stays = suffer(scene, act, **{moment: at(number, accident)})
        scene.finish()
        if stays:  # the message comes back, after the sweep's own
            with watched(scene.played):
                act()
        assert outcome(scene) == wanted, f"{accident.__name__} {moment} {calls[number]}, call {number}"
    assert (len(calls), len(accidents)) == (situation.calls, situation.accidents)


def test_so_many_accidents_are_suffered() -> None:
    assert sum(situation.accidents for situation in SITUATIONS.values()) == TOTAL


def suffer(scene: Scene, act: Act, **hooks: cloud.Operation) -> bool:
    """Let an accident happen; tell whether the message stays in the queue."""
    try:
        with watched(scene.played, **hooks):
            return bool(act())
    except cloud.Killed:
        return True
