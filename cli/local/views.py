"""Show a local cloud to a person or, as JSON, to a program."""

import json
from typing import Any

from rich.console import Console
from rich.table import Table

from cli.local.cloud import Status
from cli.local.deployment import Deployment


def deployment_json(deployment: Deployment) -> str:
    """Write all that a program needs to use the deployment."""
    return json.dumps(_facts(deployment) | {"timings": dict(deployment.timings)}, indent=2)


def status_json(status: Status) -> str:
    """Write what runs; only `running` when nothing does."""
    if status.deployment is None:
        return json.dumps({"running": False})
    contents = {"stacks": status.stacks, "tables": status.tables, "functions": status.functions}
    return json.dumps({"running": True} | _facts(status.deployment) | contents, indent=2)


def show_deployment(deployment: Deployment) -> None:
    """Print the addresses, and lines to try."""
    out = Console(highlight=False, soft_wrap=True)
    keys = " ".join(f"{name.upper()}={value}" for name, value in deployment.access.credentials.items())
    out.print(f"\n[bold]API[/bold]  {deployment.base_url}")
    out.print(f"[bold]Sandbox[/bold]  {deployment.sandbox_url}")
    out.print(f"[bold]AWS[/bold]  AWS_ENDPOINT_URL={deployment.endpoint_url} {keys}\n")
    out.print(f"curl {deployment.base_url}/health")
    out.print("TOKEN=$(tallystick local token --role USER --email ada@example.com)")
    out.print(f'curl -H "Authorization: Bearer $TOKEN" {deployment.base_url}/v1/wallets')


def show_status(status: Status) -> None:
    """Print what runs as a table."""
    table = Table(title="Local cloud", show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    table.add_row("running", "yes" if status.running else "no")
    if status.deployment:
        deployment = status.deployment
        table.add_row("API", deployment.base_url)
        table.add_row("AWS endpoint", deployment.endpoint_url)
        table.add_row("sandbox", deployment.sandbox_url)
        table.add_row("process", str(deployment.pid))
        table.add_row("since", deployment.started_at)
        table.add_row("stack", "\n".join(f"{name}: {state}" for name, state in (status.stacks or {}).items()))
        table.add_row("tables", "\n".join(status.tables))
        table.add_row("functions", "\n".join(status.functions))
    Console().print(table)


def _facts(deployment: Deployment) -> dict[str, Any]:
    return {
        "base_url": deployment.base_url,
        "endpoint_url": deployment.endpoint_url,
        "sandbox_url": deployment.sandbox_url,
        "region": deployment.access.region,
        "credentials": dict(deployment.access.credentials),
        "pid": deployment.pid,
        "since": deployment.started_at,
        "outputs": dict(deployment.outputs),
    }
