"""What signing up and in needs."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Registration:
    """Tell who signed up and whether the address still has to be confirmed."""

    user_id: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Tokens:
    """Hold an access token that ends in so many seconds and the refresh token that brings the next."""

    access_token: str
    refresh_token: str
    expires_in_s: int


class Identity(Protocol):
    """Know people by e-mail address and password.

    Every method may refuse: InvalidCredentials, InvalidRequest, TooManyRequests, StoreUnavailable.
    """

    def register(self, email: str, password: str) -> Registration:
        """Sign somebody up.

        Raises:
            EmailRegistered: the address has an account.
        """

    def confirm(self, email: str, code: str) -> None:
        """Confirm an address by the code that was sent to it."""

    def login(self, email: str, password: str) -> Tokens:
        """Exchange a password for tokens.

        Raises:
            EmailNotConfirmed: the address still waits for its code.
            LoginStepRequired: the account has to pass something that this API does not offer.
        """

    def refresh(self, refresh_token: str) -> Tokens:
        """Exchange a refresh token for new tokens."""

    def logout(self, refresh_token: str) -> None:
        """End a refresh token."""
