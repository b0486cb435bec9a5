"""Bring a local cloud up, ask about it, take it down; the same for the command line, the demo and tests."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cli.local import assembly, deploy, keys, repairs, server
from cli.local.deployment import ACCOUNT, Access, Deployment
from cli.local.errors import NotRunning, PortUnavailable
from cli.local.home import PROJECT, Home, State
from cli.progress import Steps

DEFAULT_HOME = PROJECT / "build" / "local-cloud"


@dataclass(frozen=True, slots=True)
class Status:
    """What runs and what is deployed to it."""

    running: bool
    deployment: Deployment | None = None
    stacks: Mapping[str, str] | None = None
    tables: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()


def up(
    *,
    home: Path | None = None,
    project: Path = PROJECT,
    port: int | None = None,
    steps: Steps | None = None,
) -> Deployment:
    """Deploy the project; start the cloud first when it does not run, update it in place when it does.

    `home` is the folder of this cloud's state: each has its own, so several can run. `port` is the API's: None prefers
    4566, 0 takes any. Raises the errors of `cli.local.errors`, and then leaves
    behind nothing that it started itself.
    """
    place, steps = _place(home), steps or Steps(quiet=True)
    with place.exclusive():
        running = _running_state(place)
        _refuse_other_port(running, port)
        state = running or _start(place, port)
        try:
            state = _deploy(place, state, project, steps)
        except BaseException:
            if not running:
                _remove(place, state.pid)
            raise
    return _deployment(state, steps.timings)


def attach(*, home: Path | None = None) -> Deployment:
    """Use a cloud that is up already; raises NotRunning."""
    state = _running_state(_place(home))
    if state is None:
        raise NotRunning
    return _deployment(state, {})


def down(*, home: Path | None = None) -> bool:
    """Stop the cloud and delete all it kept; tell whether it ran."""
    place = _place(home)
    with place.exclusive():
        state = _running_state(place)
        _remove(place, state.pid if state else None)
    return state is not None


def status(*, home: Path | None = None) -> Status:
    """Ask a cloud what runs in it."""
    state = _running_state(_place(home))
    if state is None:
        return Status(running=False)
    deployment = _deployment(state, {})
    stacks = deployment.client("cloudformation").describe_stacks()["Stacks"]
    functions = deployment.client("lambda").list_functions()["Functions"]
    return Status(
        running=True,
        deployment=deployment,
        stacks={stack["StackName"]: stack["StackStatus"] for stack in stacks},
        tables=tuple(sorted(deployment.client("dynamodb").list_tables()["TableNames"])),
        functions=tuple(sorted(function["FunctionName"] for function in functions)),
    )


def _place(home: Path | None) -> Home:
    return Home(home or DEFAULT_HOME)


def _running_state(place: Home) -> State | None:
    return place.load() if server.is_running(place) else None


def _refuse_other_port(running: State | None, port: int | None) -> None:
    if running and port and port != running.api_port:
        raise PortUnavailable(f"The local cloud runs on port {running.api_port}; take it down before you move it.")


def _start(place: Home, port: int | None) -> State:
    """Start the emulator in an empty home, without waiting for it."""
    ports = server.choose_ports(port)
    place.create()
    pid = server.start(place, ports)
    state = State(pid, *ports, started_at=datetime.now(UTC).isoformat(timespec="milliseconds"))
    place.save(state)
    return state


def _deploy(place: Home, state: State, project: Path, steps: Steps) -> State:
    """Build and synthesize while the emulator starts, then deploy what differs from what is deployed."""
    built = assembly.assemble(project, _address(state.sandbox_port), steps)
    with steps.step("start"):
        server.wait_until_ready(place, state.pid, state.aws_port)
    if state.template == built.template_key:
        return state
    clients = _deployment(state, {})
    with steps.step("upload"):
        deploy.upload(clients, built, ACCOUNT, server.REGION)
    with steps.step("deploy"):
        outputs = deploy.apply(clients, built, ACCOUNT, server.REGION)
    with steps.step("repair"):
        repairs.after_deploy(clients, built.stack, built.template)
    deployed = replace(state, template=built.template_key, outputs=outputs)
    keys.hand_out(_deployment(deployed, {}))
    place.save(deployed)
    return deployed


def _remove(place: Home, pid: int | None) -> None:
    if pid:
        server.stop(place, pid)
    place.remove()


def _deployment(state: State, timings: Mapping[str, float]) -> Deployment:
    base_url = _address(state.api_port)
    return Deployment(
        base_url=base_url,
        sandbox_url=_address(state.sandbox_port),
        access=Access(_address(state.aws_port)),
        # The stack's own address would be the one on AWS.
        outputs={**state.outputs, "ApiUrl": base_url} if state.outputs else {},
        pid=state.pid,
        started_at=state.started_at,
        timings=dict(timings),
    )


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"
