"""Pay out as a deployment would, to a provider that is played."""

import time
from collections.abc import Callable
from typing import Any, Final

import pytest

from tallystick.adapters.providers import registry
from tallystick.domain.errors import ProviderRefused, ProviderUnavailable
from tallystick.domain.money import DEFAULT_ASSETS, Asset
from tallystick.domain.webhooks import Provider
from tallystick.domain.withdrawals import Withdrawal
from tallystick.services.ports.payouts import Payer
from tests.support.sandbox import RunningSandbox
from tests.unit.providers.world import NOWHERE, PUBLIC_URL, SECRETS, setting

HOUR_MS: Final = 3_600_000
ASSETS: Final = {**DEFAULT_ASSETS, "KWD": Asset("KWD", 3)} | {
    code: Asset(code, 2) for code in ("HUF", "ISK", "TWD", "UGX")
}


def payer(provider: Provider, base_url: str = NOWHERE) -> Payer:
    """Pay out through a provider at an address; without one it must not be needed."""
    return registry.payer(provider, setting(provider, base_url), lambda: SECRETS[provider], ASSETS, PUBLIC_URL)


def unclear(act: Callable[[], object]) -> str:
    """Say what is answered when nothing is proved; no secret is among it."""
    with pytest.raises(ProviderUnavailable) as caught:
        act()
    assert "sk_test" not in repr(caught.value)
    return caught.value.detail


def refused(payer: Payer, withdrawal: Withdrawal) -> str:
    """Say why a withdrawal cannot be paid, without asking the provider."""
    with pytest.raises(ProviderRefused) as caught:
        payer.check(withdrawal)
    assert caught.value.members == {"provider": withdrawal.provider}
    return caught.value.detail


def control(sandbox: RunningSandbox, command: str, **members: Any) -> None:  # noqa: ANN401 (JSON)
    """Tell the sandbox to do something."""
    sandbox.http.post(f"/_control/{command}", json=members).raise_for_status()


def carried_out(sandbox: RunningSandbox, provider: str, count: int) -> None:
    """Wait until so many calls were carried out, though nobody may wait for their answers any more."""
    for _ in range(200):
        if len(sandbox.calls(provider)) >= count:
            return
        time.sleep(0.02)
    raise AssertionError("a call was not carried out")
