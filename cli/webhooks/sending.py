"""Sign a body and send it to a deployment."""

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from cli.webhooks.signers import sign
from tallystick.domain.webhooks import Provider

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """Say where webhooks go, under which address the provider knows that, and what they are signed with."""

    base_url: str
    public_url: str
    secret: str

    @classmethod
    def of(cls, provider: Provider, to: str | None, public_url: str | None, secret: str | None) -> "Target":
        """Take what was said, and the local cloud for the rest.

        Raises:
            NotRunning: nothing was said, and no local cloud runs.
        """
        from cli.local import cloud
        from cli.webhooks.keys import signing_key

        known = public_url or to
        if to is None:
            deployment = cloud.attach()
            to, known = deployment.base_url, public_url or deployment.public_url
        return cls(to.rstrip("/"), str(known), secret or signing_key(provider))


def deliver(target: Target, provider: Provider, body: bytes, *, query: str = "") -> httpx.Response:
    """Send a signed body as the provider would, with its signature of this moment."""
    headers = signed_headers(target, provider, body)
    url = f"{target.base_url}/webhooks/{provider}{query}"
    return httpx.post(url, content=body, headers=headers, timeout=TIMEOUT_S, trust_env=False)


def signed_headers(target: Target, provider: Provider, body: bytes) -> dict[str, str]:
    """Give the headers that make a body genuine."""
    known = urlsplit(target.public_url)
    path = f"{known.path.rstrip('/')}/webhooks/{provider}"
    signature = sign(provider, body, target.secret, at_s=int(time.time()), host=known.netloc, path=path)
    return {"Content-Type": "application/json", **signature}
