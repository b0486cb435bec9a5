"""The roles a caller of the API can have."""

from enum import StrEnum


class Role(StrEnum):
    """A caller's role; SERVICE and ADMIN are groups of the user pool, USER is in none."""

    USER = "USER"
    SERVICE = "SERVICE"
    ADMIN = "ADMIN"


GROUPS = (Role.SERVICE, Role.ADMIN)
