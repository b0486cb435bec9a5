from tallystick.domain.errors import (
    AccountNotActive,
    AlreadyReversed,
    Busy,
    IdempotencyKeyMissing,
    InvalidAmount,
    InvalidRequest,
    NotFound,
    Refusal,
    StoreUnavailable,
    TooManyRequests,
)


def test_a_refusal_carries_its_sentence_and_its_members() -> None:
    refusal = Refusal("No.", limit="5")
    assert str(refusal) == refusal.detail == "No."
    assert refusal.members == {"limit": "5"}


def test_what_is_not_found_names_the_kind_of_thing_only() -> None:
    assert NotFound("wallet").detail == "There is no such wallet, or it is not yours."


def test_a_missing_key_is_asked_for() -> None:
    assert "Idempotency-Key" in IdempotencyKeyMissing().detail


def test_all_faults_of_a_request_are_in_its_sentence() -> None:
    refusal = InvalidRequest([{"detail": "one"}, {"detail": "two"}])
    assert refusal.detail == "one; two"


def test_an_invalid_amount_points_where_it_is_told_to() -> None:
    assert InvalidAmount("no", "/x").members == {"errors": [{"detail": "no", "pointer": "/x"}]}


def test_an_inactive_account_says_which_and_how() -> None:
    assert set(AccountNotActive("wal_a", "FROZEN").members.values()) == {"wal_a", "FROZEN"}


def test_a_second_reversal_learns_of_the_first() -> None:
    assert AlreadyReversed("trf_1").members == {"reversed_by": "trf_1"}


def test_what_is_busy_says_when_to_come_back() -> None:
    assert issubclass(StoreUnavailable, Busy)
    assert StoreUnavailable.retry_after_s == 1
    assert TooManyRequests.retry_after_s == 60
