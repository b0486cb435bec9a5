"""`tallystick webhook`: send correctly signed events to a deployment, as its providers would."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer

from tallystick.domain.webhooks import Provider

app = typer.Typer(help="Play a payment provider.", no_args_is_help=True)

AskedProvider = Annotated[Provider, typer.Argument(case_sensitive=False)]
Event = Annotated[str, typer.Argument(help="One that `tallystick webhook list` shows.")]
To = Annotated[str | None, typer.Option(help="Base address of the deployment; the local cloud when missing.")]
PublicUrl = Annotated[str | None, typer.Option(help="The address that its provider knows, when it is another.")]
Secret = Annotated[Path | None, typer.Option(help="File with the webhook's key; the local cloud's when missing.")]
OwnBody = Annotated[Path | None, typer.Option("--body", help="File with a body to send instead of the sample.")]
DepositId = Annotated[str, typer.Option("--deposit", help="The order that the event is about.")]
WithdrawalId = Annotated[str, typer.Option("--withdrawal", help="The withdrawal that the event is about.")]
Amount = Annotated[str, typer.Option(help="What was paid, in --currency.")]
Currency = Annotated[str, typer.Option(help="What it was paid in.")]
Delivered = Annotated[str | None, typer.Option(help="What was delivered, in --asset; what was paid when missing.")]
AskedAsset = Annotated[str | None, typer.Option("--asset", help="What was delivered; the currency when missing.")]
Address = Annotated[str, typer.Option(help="Where it was delivered to.")]
PaymentId = Annotated[str, typer.Option("--payment", help="The provider's id of the payment or payout.")]
ClaimId = Annotated[str, typer.Option("--claim", help="The provider's id of the refund or dispute.")]


@app.command("list")
def list_samples() -> None:
    """Show what can be sent."""
    from cli.webhooks.samples import SAMPLES

    for provider, events in SAMPLES.items():
        for event in events:
            typer.echo(f"{provider:<10} {event}")


@app.command()
def send(  # noqa: PLR0913, PLR0917 (a command's options)
    provider: AskedProvider,
    event: Event,
    to: To = None,
    public_url: PublicUrl = None,
    secret: Secret = None,
    body: OwnBody = None,
    deposit: DepositId = "dep_unknown",
    amount: Amount = "25.00",
    currency: Currency = "USD",
    delivered: Delivered = None,
    asset: AskedAsset = None,
    address: Address = "",
    payment: PaymentId = "pay_1",
    claim: ClaimId = "claim_1",
    withdrawal: WithdrawalId = "wdr_unknown",
) -> None:
    """Send a signed event and print what was answered; exit with 1 unless it was taken."""
    from cli.webhooks.samples import SAMPLES, Order
    from cli.webhooks.sending import Target, deliver

    make = SAMPLES[provider].get(event)
    if make is None and body is None:
        raise typer.BadParameter(f"{provider} has {', '.join(SAMPLES[provider])}", param_hint="EVENT")
    about = Order(
        deposit_id=deposit,
        amount=Decimal(amount),
        currency=currency,
        payment_id=payment,
        claim_id=claim,
        at=datetime.now(UTC),
        delivered=Decimal(delivered or amount),
        asset=asset or currency,
        address=address,
        withdrawal_id=withdrawal,
    )
    raw = body.read_bytes() if body else json.dumps(make(about) if make else {}).encode()
    target = Target.of(provider, to, public_url, secret.read_text().strip() if secret else None)
    answer = deliver(target, provider, raw, query=f"?deposit={deposit}" if provider is Provider.RAMP else "")
    typer.echo(f"{answer.status_code} {answer.text}")
    raise typer.Exit(0 if answer.is_success else 1)
