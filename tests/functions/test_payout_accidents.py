"""Kill the worker and the processor before and after each call to AWS or a provider, or let that call fail.

Whatever happens, the sweeps bring it to its end: each payout is made once, or all of the money is back.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from tallystick import wiring
from tallystick.domain.breaker import THRESHOLD, Breaker, BreakerState
from tallystick.domain.inbox import EventState
from tallystick.wiring import withdrawals as wired
from tests.functions import books, cloud
from tests.functions.deliveries import stored as events
from tests.functions.paying import call_about, end, made, pay_out, tell_time
from tests.functions.payouts import asked, id_of, money, stored
from tests.functions.playing import ACCIDENTS, Played, at, silence, watched
from tests.functions.world import Clock
from tests.support.moto import Snapshot

STEPS_S: Final = (130, 330, 330, 330)
"""Between sweeps: in the hour in which TrueLayer surely knows a key, and long enough for Stellar to close ledgers."""

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
        restart()
        self.clock.now_ms += seconds * 1000
        tell_time(self.played, self.clock)
        with watched(self.played):
            cloud.sweep("withdrawal_sweep")
            pay_out()
            if events():
                cloud.sweep()
                cloud.consume_all()


def restart() -> None:
    """Start other Lambdas."""
    cloud.forget_ledger()
    cloud.forget_tokens()


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
    """Say what is under way by whom, how the provider ends it, and what that takes and comes to."""

    begin: Callable[[Scene], Act]
    provider: str
    calls: int
    ending: str = "COMPLETED"

    @property
    def is_paid(self) -> bool:
        """Tell whether the provider pays."""
        return self.ending == "COMPLETED"


SITUATIONS: Final = {
    "stripe, sent": Situation(sent, "stripe", 0),
    "paystack, sent": Situation(sent, "paystack", 0),
    "truelayer, sent": Situation(sent, "truelayer", 0),
    "stellar, sent": Situation(sent, "stellar", 0),
    "stellar, sent to what was new": Situation(sent_to_what_was_new, "stellar", 0),
    "stellar, sent again": Situation(sent_again, "stellar", 0),
    "stellar, sent to nobody": Situation(sent_to_nobody, "stellar", 0, "FAILED"),
    "stripe, sent as a probe": Situation(sent_as_a_probe, "stripe", 0),
    "stripe, sent though refused": Situation(sent_though_refused, "stripe", 0, "FAILED"),
    "stripe, looked up": Situation(looked_up, "stripe", 0),
    "paystack, looked up": Situation(looked_up, "paystack", 0, "FAILED"),
    "truelayer, looked up": Situation(looked_up, "truelayer", 0, "FAILED"),
    "stripe, looked for": Situation(looked_for, "stripe", 0),
    "stripe, told": Situation(told, "stripe", 0),
    "truelayer, told": Situation(told, "truelayer", 0, "FAILED"),
    "paystack, told before the answer": Situation(told_before_the_answer, "paystack", 0),
    "stripe, told before the answer": Situation(told_before_the_answer, "stripe", 0, "FAILED"),
    "stripe, told that it came back": Situation(told_that_it_came_back, "stripe", 0, "RETURNED"),
    "paystack, told that it came back": Situation(told_that_it_came_back, "paystack", 0, "RETURNED"),
}
MOVED: Final = {
    "COMPLETED": ["withdrawal-hold", "withdrawal"],
    "FAILED": ["withdrawal-hold", "withdrawal-release"],
    "RETURNED": ["withdrawal-hold", "withdrawal", "withdrawal-return"],
}


def outcome(scene: Scene, before: books.Books) -> dict[str, Any]:
    """Say all that matters in the end."""
    found, withdrawal = books.check(), stored()
    made_of_it = [one for one in found.transfers if one.metadata.get("withdrawal_id") == withdrawal.flow_id]
    sides = (f"external:{scene.provider}:{withdrawal.asset.code}", f"external:fees:{withdrawal.asset.code}")
    return {
        "state": withdrawal.state.value,
        "moved": [one.kind.value for one in sorted(made_of_it, key=lambda one: len(one.kind))],
        "transfers": {one.transfer_id for one in made_of_it},
        "wallet": money(withdrawal.wallet_id),
        "hold": money(withdrawal.hold_id),
        "sides": [found.side(side) - before.side(side) for side in sides],
        "payouts": len(made(scene.played, scene.provider)),
        "used": wired.quotas().used(f"withdrawals#dora#{withdrawal.asset.code}#2026-01-31"),
        "events": [event.state.value for event in events().values()],
        "alerts": {alert["kind"] for alert in cloud.alerts()},
    }


@pytest.mark.parametrize("name", SITUATIONS)
def test_an_accident_at_any_call_changes_nothing_in_the_end(name: str, clock: Clock) -> None:
    situation = SITUATIONS[name]
    scene = Scene(clock, situation.provider, situation.is_paid)
    act = situation.begin(scene)
    scene.played.remember()
    start, now_ms, before = Snapshot.take(), clock.now_ms, books.check()
    with watched(scene.played) as calls:
        act()
    scene.finish()
    expected = outcome(scene, before)
    scene.go_by(7200)
    assert outcome(scene, before) == expected
    print("XX", name, len(calls), calls, expected)
    for accident in ACCIDENTS.values():
        for position in range(len(calls)):
            for moment in ("before", "after"):
                start.restore()
                cloud.reset()
                scene.played.restore()
                clock.now_ms = now_ms
                restart()
                suffer(scene, act, **{moment: at(position, accident)})
                scene.finish()
                assert outcome(scene, before) == expected, f"{moment} {calls[position]}, call {position}"


def suffer(scene: Scene, act: Act, **hooks: cloud.Operation) -> None:
    try:
        with watched(scene.played, **hooks):
            act()
    except cloud.Killed:
        pass
