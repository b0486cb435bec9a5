"""Who calls, and what their role lets them do."""

from dataclasses import dataclass
from enum import StrEnum

from tallystick.domain.errors import Forbidden, NotFound


class Role(StrEnum):
    """Name the groups that an access token can carry; everyone is a USER."""

    USER = "USER"
    SERVICE = "SERVICE"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class Caller:
    """Identify who calls by the subject of their token."""

    caller_id: str
    roles: frozenset[Role] = frozenset({Role.USER})

    def require(self, *roles: Role) -> None:
        """Let only these roles pass.

        Raises:
            Forbidden: the caller has none of them.
        """
        if self.roles.isdisjoint(roles):
            allowed = " or ".join(roles)
            raise Forbidden(f"This call needs the role {allowed}.")

    def owns(self, owner_id: str | None) -> bool:
        """Tell whether a thing with this owner is the caller's own."""
        return owner_id == self.caller_id

    def may_see(self, owner_id: str | None, *roles: Role) -> bool:
        """Tell whether the caller owns a thing or has one of the roles that see everybody's."""
        return self.owns(owner_id) or not self.roles.isdisjoint(roles)

    def require_sight(self, what: str, owner_id: str | None, *roles: Role) -> None:
        """Hide what is not the caller's behind the answer for what does not exist.

        Raises:
            NotFound: it belongs to somebody else and no role of the caller sees it.
        """
        if not self.may_see(owner_id, *roles):
            raise NotFound(what)
