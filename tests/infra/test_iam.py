"""Each function may do what it does, and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.routes import FUNCTIONS
from tests.infra.synthesis import Synthesis, readable, render

MARKS_ONLY = {
    "ForAllValues:StringEquals": {
        "dynamodb:Attributes": ["account_id", "checked", "checked_in", "needs_reconciliation"]
    }
}
IN_TRANSACTION = {"ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": "TransactWriteItems"}}
APPEND_ONLY = ("DataEntries", "DataTransfers", "DataAudit")
LEDGER = ("DataAccounts", "DataEntries", "DataTransfers")

TRACING = {"xray:PutTelemetryRecords on *", "xray:PutTraceSegments on *"}
POSTING = {
    "dynamodb:GetItem on DataAccounts.Arn",
    "dynamodb:GetItem on DataTransfers.Arn",
    "dynamodb:PutItem on DataEntries.Arn in a transaction",
    "dynamodb:PutItem on DataTransfers.Arn in a transaction",
    "dynamodb:UpdateItem on DataAccounts.Arn in a transaction",
}
ALERTING = {
    "dynamodb:GetItem on DataOperations.Arn",
    "dynamodb:PutItem on DataOperations.Arn",
    "kms:Decrypt on AlertsKey.Arn",
    "kms:GenerateDataKey on AlertsKey.Arn",
    "sns:Publish on AlertsP0",
    "sns:Publish on AlertsP1",
    "sns:Publish on AlertsP2",
}
NOTING_RUNS = ALERTING | {"dynamodb:UpdateItem on DataOperations.Arn"}
# Beside tracing and the function's own log group, which all have.
EXPECTED: dict[str, set[str]] = {
    "wallets": {
        "dynamodb:BatchGetItem on DataAccounts.Arn",
        "dynamodb:GetItem on DataAccounts.Arn",
        "dynamodb:PutItem on DataAccounts.Arn",
        "dynamodb:Query on DataAccounts.Arn/index/owner-index",
        "dynamodb:UpdateItem on DataAccounts.Arn",
    },
    "credit": POSTING,
    "debit": POSTING,
    "transfers": POSTING | {"dynamodb:BatchGetItem on DataAccounts.Arn"},
    "statements": {"dynamodb:GetItem on DataAccounts.Arn", "dynamodb:Query on DataEntries.Arn"},
    "auth": set(),
    "deposits": {
        "dynamodb:BatchGetItem on DataAccounts.Arn",
        "dynamodb:GetItem on DataAccounts.Arn",
        "dynamodb:GetItem on DataFlows.Arn",
        "dynamodb:PutItem on DataFlows.Arn",
        "secretsmanager:GetSecretValue on SecretsProviderKeys.Id",
    },
    "dead_letters": ALERTING
    | {
        "dynamodb:BatchGetItem on DataAccounts.Arn",
        "dynamodb:BatchGetItem on DataInbox.Arn",
        "dynamodb:GetItem on DataAccounts.Arn",
        "dynamodb:GetItem on DataFlows.Arn",
        "dynamodb:GetItem on DataInbox.Arn",
        "dynamodb:GetItem on DataTransfers.Arn",
        "dynamodb:PutItem on DataAudit.Arn in a transaction",
        "dynamodb:Query on DataInbox.Arn/index/dead-index",
        "dynamodb:UpdateItem on DataInbox.Arn",
        "secretsmanager:GetSecretValue on SecretsProviderKeys.Id",
        "sqs:SendMessage on WebhookQueueEvents.Arn",
    },
    "differences": {
        "dynamodb:BatchGetItem on DataOperations.Arn",
        "dynamodb:GetItem on DataInbox.Arn",
        "dynamodb:GetItem on DataOperations.Arn",
        "dynamodb:PutItem on DataAudit.Arn in a transaction",
        "dynamodb:PutItem on DataInbox.Arn in a transaction",
        "dynamodb:Query on DataOperations.Arn/index/listed-index",
        "secretsmanager:GetSecretValue on SecretsProviderKeys.Id",
        "sqs:SendMessage on WebhookQueueEvents.Arn",
    },
    "provider_reconciler": NOTING_RUNS
    | {
        "dynamodb:BatchGetItem on DataFlows.Arn",
        "dynamodb:BatchGetItem on DataOperations.Arn",
        "dynamodb:GetItem on DataFlows.Arn",
        "dynamodb:Query on DataFlows.Arn/index/unreconciled-index",
        "dynamodb:Query on DataOperations.Arn/index/listed-index",
        "dynamodb:UpdateItem on DataFlows.Arn",
        "secretsmanager:GetSecretValue on SecretsProviderKeys.Id",
    },
    "withdrawals": POSTING
    | {
        "dynamodb:BatchGetItem on DataAccounts.Arn",
        "dynamodb:BatchGetItem on DataFlows.Arn",
        "dynamodb:GetItem on DataFlows.Arn",
        "dynamodb:GetItem on DataOperations.Arn",
        "dynamodb:PutItem on DataAccounts.Arn in a transaction",
        "dynamodb:PutItem on DataAudit.Arn in a transaction",
        "dynamodb:PutItem on DataFlows.Arn in a transaction",
        "dynamodb:Query on DataFlows.Arn/index/open-index",
        "dynamodb:Query on DataFlows.Arn/index/owner-index",
        "dynamodb:UpdateItem on DataOperations.Arn in a transaction",
        "sqs:SendMessage on PayoutQueueEvents.Arn",
    },
    "webhooks": {
        "dynamodb:GetItem on DataInbox.Arn",
        "dynamodb:PutItem on DataInbox.Arn",
        "secretsmanager:GetSecretValue on SecretsWebhookKeys.Id",
        "sqs:SendMessage on WebhookQueueEvents.Arn",
    },
    "webhook_processor": POSTING
    | ALERTING
    | {
        "dynamodb:BatchGetItem on DataAccounts.Arn",
        "dynamodb:GetItem on DataFlows.Arn",
        "dynamodb:GetItem on DataInbox.Arn",
        "dynamodb:PutItem on DataAccounts.Arn",
        "dynamodb:PutItem on DataFlows.Arn",
        "dynamodb:UpdateItem on DataInbox.Arn",
        "dynamodb:UpdateItem on DataOperations.Arn in a transaction",
        "secretsmanager:GetSecretValue on SecretsProviderKeys.Id",
        "sqs:ChangeMessageVisibility on WebhookQueueEvents.Arn",
        "sqs:DeleteMessage on WebhookQueueEvents.Arn",
        "sqs:GetQueueAttributes on WebhookQueueEvents.Arn",
        "sqs:ReceiveMessage on WebhookQueueEvents.Arn",
    },
    "webhook_sweep": NOTING_RUNS
    | {
        "dynamodb:Query on DataInbox.Arn/index/due-index",
        "dynamodb:UpdateItem on DataInbox.Arn",
        "sqs:SendMessage on WebhookQueueEvents.Arn",
    },
    "payout_worker": POSTING
    | ALERTING
    | {
        "dynamodb:BatchGetItem on DataAccounts.Arn",
        "dynamodb:GetItem on DataFlows.Arn",
        "dynamodb:PutItem on DataFlows.Arn in a transaction",
        "dynamodb:UpdateItem on DataOperations.Arn in a transaction",
        "secretsmanager:GetSecretValue on SecretsProviderKeys.Id",
        "sqs:ChangeMessageVisibility on PayoutQueueEvents.Arn",
        "sqs:DeleteMessage on PayoutQueueEvents.Arn",
        "sqs:GetQueueAttributes on PayoutQueueEvents.Arn",
        "sqs:ReceiveMessage on PayoutQueueEvents.Arn",
    },
    "withdrawal_sweep": NOTING_RUNS
    | {
        "dynamodb:Query on DataFlows.Arn/index/open-index",
        "dynamodb:UpdateItem on DataFlows.Arn",
        "sqs:SendMessage on PayoutQueueEvents.Arn",
    },
    "integrity": {
        "dynamodb:BatchGetItem on DataAccounts.Arn",
        "dynamodb:BatchGetItem on DataOperations.Arn",
        "dynamodb:GetItem on DataAccounts.Arn",
        "dynamodb:GetItem on DataOperations.Arn",
        "dynamodb:PutItem on DataAudit.Arn in a transaction",
        "dynamodb:PutItem on DataOperations.Arn in a transaction",
        "dynamodb:Query on DataAudit.Arn",
        "dynamodb:Query on DataOperations.Arn/index/listed-index",
        "sqs:SendMessage on ReconciliationQueueEvents.Arn",
    },
    "reconciliation_planner": NOTING_RUNS
    | {
        "dynamodb:Query on DataAudit.Arn",
        "sqs:SendMessage on ReconciliationQueueEvents.Arn",
    },
    "reconciler": ALERTING
    | {
        "dynamodb:BatchGetItem on DataFlows.Arn",
        "dynamodb:BatchGetItem on DataOperations.Arn",
        "dynamodb:BatchGetItem on DataTransfers.Arn",
        "dynamodb:DeleteItem on DataOperations.Arn",
        "dynamodb:GetItem on DataAccounts.Arn",
        "dynamodb:GetItem on DataFlows.Arn",
        "dynamodb:GetItem on DataOperations.Arn",
        "dynamodb:PutItem on DataAudit.Arn in a transaction",
        "dynamodb:PutItem on DataOperations.Arn",
        "dynamodb:Query on DataAudit.Arn",
        "dynamodb:Query on DataEntries.Arn",
        "dynamodb:Query on DataFlows.Arn/index/owner-index",
        "dynamodb:Query on DataOperations.Arn/index/listed-index",
        "dynamodb:Scan on DataAccounts.Arn",
        "dynamodb:Scan on DataTransfers.Arn",
        "dynamodb:UpdateItem on DataAccounts.Arn of its marks",
        "dynamodb:UpdateItem on DataOperations.Arn",
        "sqs:ChangeMessageVisibility on ReconciliationQueueEvents.Arn",
        "sqs:DeleteMessage on ReconciliationQueueEvents.Arn",
        "sqs:GetQueueAttributes on ReconciliationQueueEvents.Arn",
        "sqs:ReceiveMessage on ReconciliationQueueEvents.Arn",
        "sqs:SendMessage on ReconciliationQueueEvents.Arn",
    },
    "stellar_poller": NOTING_RUNS
    | {
        "dynamodb:GetItem on DataInbox.Arn",
        "dynamodb:PutItem on DataInbox.Arn",
        "sqs:SendMessage on WebhookQueueEvents.Arn",
    },
    "notifier": {"secretsmanager:GetSecretValue on SecretsNotifierKeys.Id"},
    "watchdog": NOTING_RUNS
    | {
        "dynamodb:BatchGetItem on DataOperations.Arn",
        "dynamodb:GetItem on DataFlows.Arn",
        "dynamodb:GetItem on DataInbox.Arn",
        "dynamodb:Query on DataOperations.Arn/index/listed-index",
    },
    "health": {
        "dynamodb:GetItem on DataAccounts.Arn",
        "dynamodb:GetItem on DataAudit.Arn",
        "dynamodb:GetItem on DataEntries.Arn",
        "dynamodb:GetItem on DataFlows.Arn",
        "dynamodb:GetItem on DataInbox.Arn",
        "dynamodb:GetItem on DataOperations.Arn",
        "dynamodb:GetItem on DataTransfers.Arn",
    },
    "docs": set(),
    "alerts": ALERTING
    | {
        "dynamodb:BatchGetItem on DataOperations.Arn",
        "dynamodb:PutItem on DataAudit.Arn in a transaction",
        "dynamodb:Query on DataOperations.Arn/index/listed-index",
    },
    "ledger_guard": ALERTING
    | {
        "dynamodb:DescribeStream on DataAudit.StreamArn",
        "dynamodb:DescribeStream on DataEntries.StreamArn",
        "dynamodb:DescribeStream on DataTransfers.StreamArn",
        "dynamodb:GetRecords on DataAudit.StreamArn",
        "dynamodb:GetRecords on DataEntries.StreamArn",
        "dynamodb:GetRecords on DataTransfers.StreamArn",
        "dynamodb:GetShardIterator on DataAudit.StreamArn",
        "dynamodb:GetShardIterator on DataEntries.StreamArn",
        "dynamodb:GetShardIterator on DataTransfers.StreamArn",
        "dynamodb:ListStreams on DataAudit.Arn/stream/*",
        "dynamodb:ListStreams on DataEntries.Arn/stream/*",
        "dynamodb:ListStreams on DataTransfers.Arn/stream/*",
        "sqs:SendMessage on GuardFailures.Arn",
    },
    "spike_sweep": NOTING_RUNS
    | {
        "dynamodb:BatchGetItem on DataOperations.Arn",
        "dynamodb:Query on DataOperations.Arn/index/listed-index",
    },
    "tally": ALERTING
    | {
        "dynamodb:BatchGetItem on DataOperations.Arn",
        "dynamodb:DescribeStream on DataTransfers.StreamArn",
        "dynamodb:GetRecords on DataTransfers.StreamArn",
        "dynamodb:GetShardIterator on DataTransfers.StreamArn",
        "dynamodb:ListStreams on DataTransfers.Arn/stream/*",
        "dynamodb:UpdateItem on DataOperations.Arn in a transaction",
        "sqs:SendMessage on TallyFailures.Arn",
    },
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_granted_exactly_what_it_uses(synthesis: Synthesis, name: str) -> None:
    """Compare actions, resources and conditions, whole."""
    function = synthesis.functions()[name]
    logs = render(function["LoggingConfig"]["LogGroup"])
    own_logs = {f"logs:CreateLogStream on {logs}.Arn", f"logs:PutLogEvents on {logs}.Arn"}

    assert set(grants(synthesis, role_of(function))) == EXPECTED[name] | TRACING | own_logs


def test_every_function_has_a_role_of_its_own(synthesis: Synthesis) -> None:
    """A shared role would grant one function what another needs."""
    roles = [role_of(function) for function in synthesis.functions().values()]

    assert sorted(set(roles)) == sorted(roles)
    assert set(roles) == set(synthesis.resources("AWS::IAM::Role"))


def test_roles_have_no_other_policies_and_only_lambda_takes_them(synthesis: Synthesis) -> None:
    """A managed or inline policy would be a grant that the table above does not show."""
    for role in synthesis.properties("AWS::IAM::Role").values():
        assert set(role) == {"AssumeRolePolicyDocument"}
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert synthesis.resources("AWS::IAM::ManagedPolicy") == {}


def test_history_can_only_be_appended_to(synthesis: Synthesis) -> None:
    """No role at all updates, deletes, batch-writes or runs PartiQL on an append-only table."""
    harmless = {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "xray:PutTelemetryRecords"}
    harmless |= {"xray:PutTraceSegments", "dynamodb:DescribeStream", "dynamodb:GetRecords"}
    harmless |= {"dynamodb:GetShardIterator", "dynamodb:ListStreams", "dynamodb:BatchGetItem", "dynamodb:Scan"}
    for role in synthesis.resources("AWS::IAM::Role"):
        for grant in grants(synthesis, role):
            action, _, resource = grant.partition(" on ")
            if resource.startswith((*APPEND_ONLY, "*")):
                assert action in harmless
                assert action != "dynamodb:PutItem" or grant.endswith(" in a transaction")


def test_only_those_who_post_write_the_ledger(synthesis: Synthesis) -> None:
    """Beside them, wallets, holds and the suspense account are opened, and wallets frozen: that moves nothing."""
    writers = {
        (name, grant.removesuffix(" in a transaction"))
        for name, function in synthesis.functions().items()
        for grant in grants(synthesis, role_of(function))
        if grant.startswith(("dynamodb:PutItem", "dynamodb:UpdateItem"))
        and grant.partition(" on ")[2].startswith(LEDGER)
    }

    posting = {grant.removesuffix(" in a transaction") for grant in POSTING if "GetItem" not in grant}
    posters = ("credit", "debit", "transfers", "webhook_processor", "withdrawals", "payout_worker")
    assert writers == {(name, grant) for name in posters for grant in posting} | {
        ("wallets", "dynamodb:PutItem on DataAccounts.Arn"),
        ("wallets", "dynamodb:UpdateItem on DataAccounts.Arn"),
        ("webhook_processor", "dynamodb:PutItem on DataAccounts.Arn"),
        ("withdrawals", "dynamodb:PutItem on DataAccounts.Arn"),
        ("reconciler", "dynamodb:UpdateItem on DataAccounts.Arn of its marks"),
    }


def test_whom_everybody_can_call_sees_no_money_and_no_key_that_moves_it(synthesis: Synthesis) -> None:
    """The webhooks' function needs no token; nor do those of sign-in and documentation."""
    for name in ("webhooks", "auth", "docs"):
        for grant in grants(synthesis, role_of(synthesis.functions()[name])):
            assert not grant.partition(" on ")[2].startswith((*LEDGER, "DataFlows", "DataAudit", "SecretsProviderKeys"))


def test_who_takes_requests_for_money_out_can_send_none(synthesis: Synthesis) -> None:
    """Neither a provider's key nor the seed that signs payouts is where users' requests arrive."""
    holders = {
        name
        for name, function in synthesis.functions().items()
        if "secretsmanager:GetSecretValue on SecretsProviderKeys.Id" in grants(synthesis, role_of(function))
    }
    assert holders == {
        *("deposits", "dead_letters", "differences"),
        *("webhook_processor", "payout_worker", "provider_reconciler"),
    }


def test_who_adds_up_the_ledger_sees_and_writes_nothing_of_it(synthesis: Synthesis) -> None:
    """All it gets of the ledger is the stream of transfers."""
    for grant in grants(synthesis, role_of(synthesis.functions()["tally"])):
        action, _, resource = grant.partition(" on ")
        if "Stream" not in action and action != "dynamodb:GetRecords" and "GetShardIterator" not in action:
            assert not resource.startswith((*LEDGER, "DataFlows", "DataAudit", "DataInbox"))


def grants(synthesis: Synthesis, role: str) -> Iterator[str]:
    """Write out what a role is granted, one action on one resource a line."""
    for policy in synthesis.properties("AWS::IAM::Policy").values():
        if role in [render(attached) for attached in policy["Roles"]]:
            for statement in policy["PolicyDocument"]["Statement"]:
                assert set(statement) <= {"Action", "Condition", "Effect", "Resource"}
                assert statement["Effect"] == "Allow"
                for action in as_list(statement["Action"]):
                    for resource in as_list(statement["Resource"]):
                        yield f"{action} on {render(resource)}{condition_of(statement)}"


def condition_of(statement: dict[str, Any]) -> str:
    """Write out the condition of a statement."""
    condition = statement.get("Condition")
    if condition is None:
        return ""
    if condition == MARKS_ONLY:
        return " of its marks"
    return " in a transaction" if condition == IN_TRANSACTION else f" when {condition}"


def role_of(function: dict[str, Any]) -> str:
    """Name the role of a function."""
    logical_id: str = function["Role"]["Fn::GetAtt"][0]
    return readable(logical_id)


def as_list(value: object) -> list[object]:
    """Undo the shorthand of policies for lists of one."""
    return value if isinstance(value, list) else [value]
