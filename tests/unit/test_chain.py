import hashlib
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.domain.accounts import Entry
from tallystick.domain.chain import digest, entry_hash, genesis

ENTRY = Entry(
    account_id="wal_a",
    sequence=1,
    time_ms=1_767_225_600_000,
    kind="credit",
    asset="USD",
    scale=2,
    units=1000,
    balance_after=1000,
    transfer_id="trf_1",
    previous_hash=genesis("wal_a", "USD"),
)


def test_each_part_is_prefixed_by_its_length_in_bytes() -> None:
    assert digest("ab", "", "é") == hashlib.sha256("2:ab0:2:é".encode()).hexdigest()


@given(one=st.lists(st.text()), other=st.lists(st.text()))
def test_different_lists_have_different_hashes(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_moving_a_boundary_changes_the_hash() -> None:
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")


def test_each_account_and_asset_starts_its_own_chain() -> None:
    assert len({genesis("a", "USD"), genesis("a", "EUR"), genesis("b", "USD")}) == 3


@pytest.mark.parametrize("name", [field.name for field in fields(Entry) if field.name != "hash"])
def test_whatever_is_changed_in_an_entry_changes_its_hash(name: str) -> None:
    old = getattr(ENTRY, name)
    changes: dict[str, Any] = {name: old + 1 if isinstance(old, int) else old + "x"}
    changed = replace(ENTRY, **changes)
    assert entry_hash(changed) != entry_hash(ENTRY)


def test_a_hash_does_not_hash_itself() -> None:
    assert entry_hash(replace(ENTRY, hash="x")) == entry_hash(ENTRY)
