import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from tallystick.answers import Answer
from tallystick.domain import errors
from tallystick.problems import PROBLEM_JSON, STATUS, internal_error, invalid, problem

API_PAGE = Path(__file__).parents[2] / "docs" / "api.md"


def subclasses(parent: type[errors.Refusal]) -> Iterator[type[errors.Refusal]]:
    for child in parent.__subclasses__():
        yield child
        yield from subclasses(child)


REFUSALS = [refusal for refusal in subclasses(errors.Refusal) if refusal is not errors.Busy]


def body(response: Answer) -> dict[str, Any]:
    assert response.content_type == PROBLEM_JSON
    parsed: dict[str, Any] = json.loads(response.body or "")
    return parsed


@pytest.mark.parametrize("refusal", REFUSALS)
def test_every_refusal_has_a_status_a_code_and_a_title_of_its_own(refusal: type[errors.Refusal]) -> None:
    assert 400 <= STATUS[refusal] < 500 or issubclass(refusal, errors.Busy)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", refusal.code)
    assert {"code", "title"} <= vars(refusal).keys()


def test_the_table_names_nothing_else() -> None:
    assert set(STATUS) == set(REFUSALS)


def test_every_code_is_unique() -> None:
    assert len({refusal.code for refusal in REFUSALS}) == len(REFUSALS) > 20


@pytest.mark.parametrize("refusal", REFUSALS)
def test_every_refusal_is_drawn_in_the_tree(refusal: type[errors.Refusal]) -> None:
    assert refusal.__name__ in (errors.__doc__ or "")
    assert refusal.__doc__


def test_a_problem_has_the_members_of_rfc_9457_and_those_of_its_refusal() -> None:
    response = problem(errors.ServiceLimitExceeded("Too much.", limit="5"), "r1")
    assert response.status_code == 403
    assert body(response) == {
        "type": "urn:tallystick:problem:service-limit-exceeded",
        "title": "More than a service may move in one call",
        "status": 403,
        "detail": "Too much.",
        "instance": "urn:tallystick:request:r1",
        "limit": "5",
    }


def test_a_refusals_own_members_do_not_hide_those_of_rfc_9457() -> None:
    told = body(problem(errors.AccountNotActive("wal_a", "FROZEN"), "r1"))
    assert told["status"] == 409
    assert {"wal_a", "FROZEN"} <= set(told.values())


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [(errors.TooManyRequests("no"), "60"), (errors.TooMuchContention("no"), "1"), (errors.StoreUnavailable("no"), "1")],
)
def test_what_is_busy_says_when_to_come_back(refusal: errors.Busy, seconds: str) -> None:
    assert problem(refusal, "r1").headers["Retry-After"] == seconds


def test_other_refusals_do_not_ask_to_come_back() -> None:
    assert "Retry-After" not in problem(errors.NotFound("wallet"), "r1").headers


def test_a_fault_of_ours_tells_nothing() -> None:
    response = internal_error("r1")
    assert response.status_code == 500
    assert body(response)["type"] == "urn:tallystick:problem:internal-error"


def faults(*found: dict[str, Any]) -> RequestValidationError:
    return RequestValidationError(list(found))


TOO_LONG = {"loc": ("body", "metadata", "a"), "msg": "too long", "type": "string_too_long"}
TOO_MANY = {"loc": ("query", "limit"), "msg": "too many", "type": "less_than_equal"}
NO_TEXT = {"loc": ("body", "amount"), "msg": "Input should be a valid string", "type": "string_type"}
NO_AMOUNT = {"loc": ("body", "amount"), "msg": "Field required", "type": "missing"}


def test_a_fault_in_the_body_is_pointed_at_and_one_in_a_parameter_named() -> None:
    refusal = invalid(faults(TOO_LONG, TOO_MANY))
    assert type(refusal) is errors.InvalidRequest
    assert refusal.members["errors"] == [
        {"detail": "too long", "pointer": "/metadata/a"},
        {"detail": "too many", "parameter": "limit"},
    ]


def test_an_amount_that_is_no_string_is_an_invalid_amount() -> None:
    assert type(invalid(faults(TOO_LONG, NO_TEXT))) is errors.InvalidAmount


def test_a_missing_amount_is_an_invalid_request() -> None:
    assert type(invalid(faults(NO_AMOUNT))) is errors.InvalidRequest


def pointers(body: object, *found: dict[str, Any]) -> list[str]:
    refusal = invalid(faults(*found), body)
    told: Any = refusal.members["errors"]
    return [error["pointer"] for error in told]


def wrong(*location: str | int, kind: str = "string_type") -> dict[str, Any]:
    return {"loc": ("body", *location), "msg": "wrong", "type": kind}


@pytest.mark.parametrize(
    ("body", "location", "pointer"),
    [
        ({}, (), ""),
        ({"a": 1}, ("a",), "/a"),
        ({}, ("a",), "/a"),
        (None, ("a", "b"), "/a/b"),
        ({"a": {"type": "x", "b": 1}}, ("a", "x", "b"), "/a/b"),
        ({"a": {"type": "x"}}, ("a", "x", "b"), "/a/b"),
        ({"a": {"type": "x", "x": 1}}, ("a", "x", "x"), "/a/x"),
        ({"a": {"type": "x", "x": {"x": 1}}}, ("a", "x", "x"), "/a/x"),
        ({"a": {"type": "x", "x": 1}}, ("a", "x", "b"), "/a/b"),
        ({"type": "x", "b": {"type": "y"}}, ("x", "b", "y", "c"), "/b/c"),
        ({"a": {"b": {"c": 1}}}, ("a", "b", "c"), "/a/b/c"),
        ({"a": [{"b": 1}, {"b": 2}]}, ("a", 1, "b"), "/a/1/b"),
        ({"a": [{"b": 1}, {"type": "x", "b": 2}]}, ("a", 1, "x", "b"), "/a/1/b"),
        ({"a": {"b": "text"}}, ("a", "b", "[key]"), "/a/b/[key]"),
        ({"a": {"b": 1}}, ("a", "Model", "b"), "/a/Model/b"),
        ({"a": [1]}, ("a", 1, "b"), "/a/1/b"),
        ({"a": [1]}, ("a", "b", "c"), "/a/b/c"),
        ({"a": 5}, ("a", "b", "c"), "/a/b/c"),
        ({"a/b": {"~1": 0}}, ("a/b", "~1"), "/a~1b/~01"),
    ],
)
def test_a_pointer_leads_to_a_member_of_the_body(body: object, location: tuple[str | int, ...], pointer: str) -> None:
    assert pointers(body, wrong(*location)) == [pointer]


@pytest.mark.parametrize(
    ("kind", "context", "detail"),
    [
        ("union_tag_not_found", {}, "Field required"),
        ("union_tag_invalid", {"tag": "z", "expected_tags": "'x', 'y'"}, "Input should be one of 'x', 'y'"),
    ],
)
def test_a_union_s_tag_is_pointed_at_where_it_should_be(kind: str, context: dict[str, str], detail: str) -> None:
    fault = {**wrong("a", kind=kind), "ctx": {"discriminator": "'type'", **context}}
    refusal = invalid(faults(fault), {"a": {"type": "z"}})
    assert refusal.members["errors"] == [{"detail": detail, "pointer": "/a/type"}]


def test_every_problem_is_documented_with_its_status() -> None:
    rows = [line.split("|") for line in API_PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    documented = {code: int(row[2]) for row in rows for code in re.findall(r"`([a-z-]+)`", row[1])}
    assert documented == {refusal.code: status for refusal, status in STATUS.items()} | {"internal-error": 500}
