"""Play the scenario: the scripted calls one by one, and the bursts."""

import asyncio
import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from cli.demo import purchases, script, withdrawals
from cli.demo.client import Answer, Client, Record, Request
from cli.demo.purchases import MoonPay
from cli.demo.script import Try
from cli.demo.withdrawals import Stripe
from cli.local import tokens
from cli.local.deployment import Deployment
from cli.progress import Steps
from cli.webhooks.keys import signing_key
from cli.webhooks.sending import Target
from tallystick.domain.callers import Role
from tallystick.domain.webhooks import Provider

DEBITS: Final = 100
AFFORDABLE: Final = 60
DUPLICATES: Final = 20
PAGE: Final = 25
REPLAYED: Final = "201 replayed, same answer"


@dataclass(frozen=True, slots=True)
class Step:
    """Say what was done, what should come of it and what came."""

    what: str
    expected: str
    got: str

    @property
    def ok(self) -> bool:
        """Tell whether it is as expected."""
        return self.expected == self.got


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold all that the scenario did and what it calls things."""

    steps: tuple[Step, ...]
    record: Record
    names: dict[str, str]

    @property
    def wallets(self) -> tuple[str, ...]:
        """List the wallets that only this scenario uses."""
        return tuple(value for name, value in self.names.items() if name.endswith(("_usd", "_eth", "_xlm")))


def play(deployment: Deployment, progress: Steps) -> Outcome:
    """Play everything against a deployment; people and keys are new each time."""
    names = _cast(deployment)
    client = Client(deployment.base_url)
    moonpay = MoonPay(client, _target(deployment, Provider.MOONPAY))
    stripe = Stripe(deployment.sandbox_url, _target(deployment, Provider.STRIPE))
    return asyncio.run(_Stage(client, names, moonpay, stripe).play(progress))


def _target(deployment: Deployment, provider: Provider) -> Target:
    return Target(deployment.base_url, deployment.public_url, signing_key(provider))


def _cast(deployment: Deployment) -> dict[str, str]:
    """Make up addresses, and issue the tokens that only an administrator can."""
    run = secrets.token_hex(3)
    names = {f"{name}_email": f"{name}.{run}@example.com" for name in ("ada", "bob", "service", "admin")}
    issued = {
        name: tokens.issue(deployment, role, names[f"{name}_email"])
        for name, role in (("service", Role.SERVICE), ("admin", Role.ADMIN))
    }
    return names | issued


@dataclass(slots=True)
class _Stage:
    """Hold what a scenario has at hand while it plays."""

    client: Client
    names: dict[str, str]
    moonpay: MoonPay
    stripe: Stripe
    steps: list[Step] = field(default_factory=list)

    async def play(self, progress: Steps) -> Outcome:
        scenes = (
            ("register two people", partial(self.tries, script.PEOPLE)),
            ("move money, each call twice", partial(self.tries, script.MOVEMENTS)),
            (f"{DEBITS} debits at once", self.burst_of_debits),
            (f"{DUPLICATES} duplicates at once", self.burst_of_duplicates),
            ("reverse", partial(self.tries, script.REVERSAL)),
            ("freeze and unfreeze", partial(self.tries, script.FREEZE)),
            ("read statements", self.statements),
            ("try what others may not", partial(self.tries, script.OTHERS)),
            ("buy at a payment provider", self.purchases),
            ("withdraw: paid, refused, reviewed, returned", self.withdrawals),
            ("ask about keys", partial(self.tries, (*script.KEYS, *script.BALANCES))),
        )
        try:
            for name, scene in scenes:
                with progress.step(name):
                    await scene()
        finally:
            await self.client.close()
        return Outcome(tuple(self.steps), self.client.record, self.names)

    async def tries(self, tries: Iterable[Try]) -> None:
        for one in tries:
            await self.try_once(one)

    async def try_once(self, one: Try) -> None:
        request = self.request(one)
        answer = await self.client.send_until_answered(request)
        self.note(one, answer)
        if request.key and one.expect == "201" and one.again:
            again = await self.client.send_until_answered(request)
            same = ", same answer" if again.body == answer.body else ", another answer"
            self.steps.append(Step("… again, same key", REPLAYED, f"{again}{same}"))

    def note(self, one: Try, answer: Answer) -> None:
        self.steps.append(Step(one.what, _words(one.expect, one.shows), _words(str(answer), _shown(one, answer))))
        self.names |= {name: str(answer.body.get(member)) for name, member in one.keep.items()}

    async def burst_of_debits(self) -> None:
        debit = Try("", "service", "POST /v1/wallets/{ada_usd}/debit", "", {"amount": "1.00"})
        requests = [self.request(debit, key=f"burst-{number}") for number in range(DEBITS)]
        self.client.record.most_in_flight = 0
        answers = await self.together(requests, f", {DEBITS} at once")
        got = Counter(map(str, answers))
        expected = {"201": AFFORDABLE, "409 insufficient-funds": DEBITS - AFFORDABLE}
        self.steps += (
            Step(f"{DEBITS} debits of 1.00 at once", _counted(expected), _counted(got)),
            Step("… in flight at the same time", str(DEBITS), str(self.client.record.most_in_flight)),
        )

    async def burst_of_duplicates(self) -> None:
        credit = Try("", "service", "POST /v1/wallets/{bob_usd}/credit", "", {"amount": "5.00"})
        answers = await self.together([self.request(credit, key="twins")] * DUPLICATES, f", {DUPLICATES} duplicates")
        bodies = {str(sorted(answer.body.items())) for answer in answers}
        statuses = Counter(str(answer.status) for answer in answers)
        replays = sum(answer.replayed for answer in answers)
        self.steps += (
            Step(f"{DUPLICATES} credits with one key", f"{DUPLICATES} times 201", _counted(statuses)),
            Step("… different answers, replays", f"1, {DUPLICATES - 1}", f"{len(bodies)}, {replays}"),
        )

    async def purchases(self) -> None:
        await self.tries(purchases.ORDERS)
        event = purchases.completed(self.names["purchase"])
        told = await self.moonpay.tell_often(event, DUPLICATES)
        forged = await self.moonpay.forge(event)
        self.steps += (
            Step(
                f"MoonPay tells {DUPLICATES} times at once that it is paid", f"{DUPLICATES} times 200", _counted(told)
            ),
            Step("somebody else changes the amount", "401 webhook-refused", str(forged)),
        )
        await self.wait_for(purchases.BOUGHT)
        odd = purchases.completed(self.names["odd_purchase"], paid="300.00", delivered="0.1847")
        self.steps.append(Step("MoonPay tells of 300.00 EUR for the other", "200", str(await self.moonpay.tell(odd))))
        await self.find_dead_letter(f"purchase-of-{self.names['odd_purchase']}")
        await self.tries((*purchases.REFUSED, purchases.REDRIVE, purchases.REDRIVE))
        await self.wait_for(purchases.CREDITED)
        await self.try_once(purchases.BALANCE)
        await self.acknowledge("/v1/deposits/{purchase}")
        await self.acknowledge("/v1/deposits/{odd_purchase}")

    async def withdrawals(self) -> None:
        await self.tries((*withdrawals.REQUESTS, *withdrawals.REFUSED))
        await self.say("Stripe pays it, and says so", "paid", "paid", "COMPLETED")
        await self.tries(withdrawals.REVIEW)
        await self.say("Stripe pays what was approved", "reviewed", "paid", "COMPLETED")
        await self.try_once(withdrawals.BACK)
        await self.say("Stripe pays it", "returned", "paid", "COMPLETED")
        await self.say("… and the bank sends it back", "returned", "failed", "RETURNED")
        await self.tries(withdrawals.STELLAR)
        await self.wait_for(withdrawals.is_now("… which is in the ledger", "on_chain", "COMPLETED"))
        for name in ("paid", "reviewed", "rejected", "cancelled", "returned", "on_chain"):
            await self.acknowledge(f"/v1/withdrawals/{{{name}}}")

    async def say(self, what: str, name: str, kind: str, state: str) -> None:
        """Wait until a payout was sent, let it come to something, and wait until that is known."""
        sent = withdrawals.is_now("", name, "SUBMITTED" if kind == "paid" else "COMPLETED")
        request = self.request(sent)
        for _ in range(purchases.MAX_LOOKS):
            withdrawal = (await self.client.send(request)).body
            if withdrawal.get("payout_id") and withdrawal["state"] == sent.shows["state"]:
                break
            await asyncio.sleep(purchases.LOOK_EVERY_S)
        self.steps.append(Step(what, "200", await asyncio.to_thread(self.stripe.say, withdrawal, kind)))
        await self.wait_for(withdrawals.is_now("… how it stands", name, state))

    async def wait_for(self, one: Try) -> None:
        """Look until it is as expected, within a bound, and note what was seen last."""
        request = self.request(one)
        for _ in range(purchases.MAX_LOOKS):
            answer = await self.client.send(request)
            if _shown(one, answer) == one.shows:
                break
            await asyncio.sleep(purchases.LOOK_EVERY_S)
        self.note(one, answer)

    async def find_dead_letter(self, payment_id: str) -> None:
        """Look for the dead letter of a payment until it is listed, within a bound."""
        request = self.request(Try("", "admin", "GET /v1/admin/dlq?limit=5", ""))
        for _ in range(purchases.MAX_LOOKS):
            listed = (await self.client.send(request)).body.get("items", [])
            found = [item["dead_letter_id"] for item in listed if payment_id in item["external_id"]]
            if found:
                break
            await asyncio.sleep(purchases.LOOK_EVERY_S)
        self.names["dead_letter"] = found[0] if found else "none"
        self.steps.append(Step("… which makes it a dead letter", "1 listed", f"{len(found)} listed"))

    async def acknowledge(self, path: str) -> None:
        """Read the movements that an order or a withdrawal says were made for it."""
        order = await self.client.send(self.request(Try("", "ada", f"GET {path}", "")))
        for transfer_id in order.body.get("transfers", ()):
            transfer = await self.client.send(self.request(Try("", "admin", f"GET /v1/transfers/{transfer_id}", "")))
            self.client.acknowledge(transfer.body)

    async def together(self, requests: list[Request], note: str) -> list[Answer]:
        return await asyncio.gather(*(self.client.send_until_answered(request, note) for request in requests))

    async def statements(self) -> None:
        await self.tries(script.STATEMENTS)
        items, cursor = await self.page("")
        while cursor:
            following, cursor = await self.page(f"&cursor={cursor}")
            items += following
        sequences = [item["sequence"] for item in items]
        expected = 65  # credit, transfer, debit, the affordable debits, reversal and the transfer after the freeze
        self.steps += (
            Step("ada's statement, page by page", f"{expected} entries", f"{len(items)} entries"),
            Step("… newest first, none missing", "yes", "yes" if sequences == [*range(expected, 0, -1)] else "no"),
        )

    async def page(self, cursor: str) -> tuple[list[dict[str, Any]], str | None]:
        call = f"GET /v1/wallets/{{ada_usd}}/entries?limit={PAGE}{cursor}"
        answer = await self.client.send_until_answered(self.request(Try("", "ada", call, "")))
        return answer.body.get("items", []), answer.body.get("next_cursor")

    def request(self, one: Try, key: str | None = None) -> Request:
        method, path = one.call.format_map(self.names).split(" ", 1)
        body = None if one.body is None else {name: self._named(value) for name, value in one.body.items()}
        return Request(method, path, body, self.names[one.caller] if one.caller else None, key or one.key)

    def _named(self, value: object) -> object:
        if isinstance(value, dict):
            return {name: self._named(member) for name, member in value.items()}
        return value.format_map(self.names) if isinstance(value, str) else value


def _shown(one: Try, answer: Answer) -> dict[str, str]:
    return {member: str(answer.body.get(member)) for member in one.shows}


def _words(answer: str, shown: dict[str, str]) -> str:
    return ", ".join([answer, *(f"{member} {value}" for member, value in shown.items())])


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} times {answer}" for answer, count in sorted(counts.items()))
