"""Check the app against cdk-nag's rules, and name each finding that is accepted, with the reason."""

from collections.abc import Iterator
from typing import NamedTuple

from aws_cdk import Acknowledgment, App, Stack, Validations
from cdk_nag import AwsSolutionsChecks, ServerlessChecks
from constructs import IConstruct

from infra.constructs.function import construct_id_of
from infra.routes import API_FUNCTIONS, ROUTES
from infra.stage import PRIORITIES, Stage

GUARD = "Guard/LedgerGuard"
TALLY = "Tally/Tally"
NOTIFIER = "Notifier/Notifier"
CONSUMERS = ("Webhooks/WebhookProcessor", "Payouts/PayoutWorker", "Reconciliation/Reconciler")
SCHEDULED = (
    "Webhooks/WebhookSweep",
    "Webhooks/StellarPoller",
    "Payouts/WithdrawalSweep",
    "Reconciliation/ReconciliationPlanner",
    "Tally/SpikeSweep",
    "Watchdog/Watchdog",
)
PROVIDER_RECONCILER = "ProviderReconciliation/ProviderReconciler"
# What calls them.
RULES = (
    "Webhooks/Sweep",
    "Webhooks/Poll",
    "Payouts/Sweep",
    "Reconciliation/Plan",
    "Tally/Sweep",
    "Watchdog/Watch",
    "ProviderReconciliation/Compare",
)
# Each with the reason why it has no queue for failed asynchronous invocations.
FUNCTIONS = {
    **{f"Functions/{construct_id_of(name)}": "API Gateway waits for this one's answer." for name in API_FUNCTIONS},
    **dict.fromkeys((GUARD, TALLY), "this stream consumer has a failure queue instead."),
    **dict.fromkeys(CONSUMERS, "this one takes messages from a queue, which has one."),
    NOTIFIER: "this one's alerts are kept and listed; its own alarm tells of it by mail.",
    **dict.fromkeys(SCHEDULED, "this one is invoked again a minute later, and makes up for it."),
    PROVIDER_RECONCILER: "this one is invoked again an hour later, and goes on where it was.",
}


class Finding(NamedTuple):
    """Name one rule that one resource does not meet."""

    path: str
    rule: str


def check(app: App) -> None:
    """Let synthesis fail on every finding that is not acknowledged."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))


def acknowledge(stack: Stack, stage: Stage) -> None:
    """Accept exactly the findings of `accepted`; a resource that is no longer there is an error."""
    for finding, reason in accepted(stage).items():
        pack = finding.rule.partition("-")[0]
        Validations.of(_at(stack, finding.path)).acknowledge(
            Acknowledgment(id=f"{pack}::{finding.rule}", reason=reason)
        )


def accepted(stage: Stage) -> dict[Finding, str]:
    """Give the reason for each finding that stays."""
    reasons = dict(_of_every_stage())
    if stage.is_local:
        reasons |= dict(_of_tables_on_this_machine())
    for priority, addresses in stage.alarm_emails.items():
        for address in addresses:
            mail = Finding(f"Alerts/{priority}/{address}/Resource", "Serverless-SNSRedrivePolicy")
            reasons[mail] = "A mail that cannot be delivered is no use in a queue; the alarm itself stays visible."
    return reasons


def _of_every_stage() -> Iterator[tuple[Finding, str]]:
    yield from _of_identity()
    yield from _of_public_routes()
    for path, no_queue in FUNCTIONS.items():
        yield from _of_function(path, no_queue)
    yield from _of_streams()
    yield from _of_secrets()
    yield from _of_notifier()
    yield from _of_background()


def _of_identity() -> Iterator[tuple[Finding, str]]:
    users = "Identity/Users/Resource"
    yield (
        Finding(users, "AwsSolutions-COG2"),
        "Sign-in is by password through the API's own routes, which do not take a second factor yet.",
    )
    yield (
        Finding(users, "AwsSolutions-COG8"),
        "The Plus plan is paid per user for threat protection; a deployment that wants it changes the plan.",
    )


def _of_public_routes() -> Iterator[tuple[Finding, str]]:
    for route in ROUTES:
        if route.public:
            path = f"Api/Http/{route.method}{route.path.replace('/', '--')}/Resource"
            yield Finding(path, "AwsSolutions-APIG4"), _why_public(route.function)
    yield (
        Finding("Api/Fallback/Resource", "AwsSolutions-APIG4"),
        "It answers 404 to what matches no route, and reads nothing.",
    )


def _why_public(function: str) -> str:
    return {
        "auth": "A caller comes here to get a token, and has none yet.",
        "health": "Monitors ask without a token; the answer says up or down and shows no data.",
        "docs": "The description of the API is public and the same for everyone.",
        "webhooks": "Providers have no token: they sign what they send, and what is not signed is refused.",
    }[function]


def _of_function(path: str, no_queue: str) -> Iterator[tuple[Finding, str]]:
    function = f"{path}/Function/Resource"
    supported = "Python 3.13 is what the layers are compiled for; a newer runtime is taken when all packages have it."
    yield Finding(function, "AwsSolutions-L1"), supported
    yield Finding(function, "Serverless-LambdaLatestVersion"), supported
    yield (
        Finding(function, "Serverless-LambdaDLQ"),
        f"A dead letter queue serves asynchronous invocations; {no_queue}",
    )
    yield (
        Finding(f"{path}/Role/DefaultPolicy/Resource", "AwsSolutions-IAM5[Resource::*]"),
        "Trace segments belong to no resource, so X-Ray's two write actions take none but *.",
    )


def _of_streams() -> Iterator[tuple[Finding, str]]:
    entries, transfers, audit = "DataEntries4C856FF0", "DataTransfersC5E8E92F", "DataAuditE4D9F575"
    for reader, table in ((GUARD, entries), (GUARD, transfers), (GUARD, audit), (TALLY, transfers)):
        yield (
            Finding(f"{reader}/Role/DefaultPolicy/Resource", f"AwsSolutions-IAM5[Resource::<{table}.Arn>/stream/*]"),
            "ListStreams is asked of a table, whose streams have no other common name.",
        )
    for rule in ("AwsSolutions-SQS3", "Serverless-SQSRedrivePolicy"):
        for reader in ("Guard", "Tally"):
            yield (
                Finding(f"{reader}/Failures/Resource", rule),
                "It is itself where failures end: nothing consumes it, and an alarm watches it.",
            )


def _of_secrets() -> Iterator[tuple[Finding, str]]:
    for name in ("WebhookKeys", "ProviderKeys", "NotifierKeys"):
        yield (
            Finding(f"Secrets/{name}", "AwsSolutions-SMG4"),
            "Providers issue these keys, and only a person signed in with them can have new ones made.",
        )


def _of_notifier() -> Iterator[tuple[Finding, str]]:
    for priority in PRIORITIES:
        yield (
            Finding(f"{NOTIFIER}/Function/{priority}/Resource", "Serverless-SNSRedrivePolicy"),
            "SNS tries a function for weeks; what the function then fails at, Lambda and its alarm take care of.",
        )


def _of_background() -> Iterator[tuple[Finding, str]]:
    for queue in ("WebhookQueue", "PayoutQueue", "ReconciliationQueue"):
        yield (
            Finding(f"{queue}/DeadLetters/Resource", "Serverless-SQSRedrivePolicy"),
            "It is itself where messages end: nothing consumes it, and an alarm watches it.",
        )
    for work in ("Webhooks", "Payouts", "Reconciliation"):
        yield (
            Finding(f"{work}/Events", "Serverless-LambdaEventSourceMappingDestination"),
            "Streams have such a destination; a queue's messages stay in it, and end in its dead-letter queue.",
        )
    for function in (*SCHEDULED, PROVIDER_RECONCILER):
        yield (
            Finding(f"{function}/Function/EventInvokeConfig/Resource", "Serverless-LambdaAsyncFailureDestination"),
            "The next invocation does what this one did not; the function's alarm tells of it.",
        )
    for rule in RULES:
        yield (
            Finding(f"{rule}/Resource", "Serverless-EventBusDLQ"),
            "The next event says all that this one did; an alarm tells of it.",
        )


def _of_tables_on_this_machine() -> Iterator[tuple[Finding, str]]:
    for table in ("Accounts", "Entries", "Transfers", "Flows", "Inbox", "Audit", "Operations"):
        yield (
            Finding(f"Data/{table}/Resource", "AwsSolutions-DDB3"),
            "The local cloud is thrown away; staging and production have point-in-time recovery.",
        )


def _at(stack: Stack, path: str) -> IConstruct:
    construct: IConstruct = stack
    for name in path.split("/"):
        construct = construct.node.find_child(name)
    return construct
