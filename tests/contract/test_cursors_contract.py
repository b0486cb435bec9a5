import pytest

from tests.support.tables import Ports


def test_a_list_that_was_never_read_has_no_cursor(ports: Ports) -> None:
    assert ports.cursors.get("stellar:test") is None


@pytest.mark.parametrize("cursor", ["1", "0", "12345678901234567890-1", "größer 😀"])
def test_a_cursor_is_remembered_as_it_is(ports: Ports, cursor: str) -> None:
    assert ports.cursors.advance("stellar:test", None, cursor)
    assert ports.cursors.get("stellar:test") == cursor


def test_a_cursor_moves_on_from_where_it_is(ports: Ports) -> None:
    assert ports.cursors.advance("stellar:test", None, "1")
    assert ports.cursors.advance("stellar:test", "1", "2")
    assert ports.cursors.get("stellar:test") == "2"


@pytest.mark.parametrize("before", [None, "0", "2", ""])
def test_a_cursor_that_somebody_else_moved_stays_where_it_is(ports: Ports, before: str | None) -> None:
    ports.cursors.advance("stellar:test", None, "1")
    assert not ports.cursors.advance("stellar:test", before, "9")
    assert ports.cursors.get("stellar:test") == "1"


def test_a_cursor_that_was_there_before_cannot_be_moved_where_there_is_none(ports: Ports) -> None:
    assert not ports.cursors.advance("stellar:test", "1", "2")
    assert ports.cursors.get("stellar:test") is None


def test_each_list_has_a_cursor_of_its_own(ports: Ports) -> None:
    ports.cursors.advance("stellar:test", None, "1")
    ports.cursors.advance("stellar:live", None, "2")
    assert (ports.cursors.get("stellar:test"), ports.cursors.get("stellar:live")) == ("1", "2")
