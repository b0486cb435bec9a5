import pytest

from tallystick.domain.callers import Role
from tallystick.domain.errors import Forbidden, NotFound
from tests.support.scene import ADA, ADMIN, SERVICE


def test_a_caller_with_one_of_the_roles_passes() -> None:
    SERVICE.require(Role.SERVICE, Role.ADMIN)


def test_a_caller_with_none_of_the_roles_is_told_which_would_do() -> None:
    with pytest.raises(Forbidden, match="SERVICE or ADMIN"):
        ADA.require(Role.SERVICE, Role.ADMIN)


def test_owning_is_being_the_subject() -> None:
    assert ADA.owns("ada")
    assert not ADA.owns("bob")
    assert not ADA.owns(None)


def test_one_sees_ones_own_and_a_role_sees_more() -> None:
    assert ADA.may_see("ada", Role.ADMIN)
    assert not ADA.may_see("bob", Role.ADMIN)
    assert not ADA.may_see("bob")
    assert ADMIN.may_see("bob", Role.ADMIN)
    assert not SERVICE.may_see("bob", Role.ADMIN)


def test_what_is_somebody_elses_looks_as_if_it_did_not_exist() -> None:
    ADA.require_sight("wallet", "ada")
    with pytest.raises(NotFound) as refused:
        ADA.require_sight("wallet", "bob", Role.ADMIN)
    assert refused.value.detail == NotFound("wallet").detail
