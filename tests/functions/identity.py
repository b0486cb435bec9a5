"""A user pool with one person in it, and the addresses that make it refuse."""

from typing import Final

from tallystick.domain.errors import (
    EmailNotConfirmed,
    EmailRegistered,
    InvalidCredentials,
    InvalidRequest,
    LoginStepRequired,
    StoreUnavailable,
    TooManyRequests,
)
from tallystick.services.ports.identity import Registration, Tokens

ADA: Final = "ada@example.com"
UNCONFIRMED: Final = "unconfirmed@example.com"
CHALLENGED: Final = "challenged@example.com"
HASTY: Final = "hasty@example.com"
UNREACHABLE: Final = "unreachable@example.com"

PASSWORD: Final = "correct horse battery staple"
CODE: Final = "123456"
REFRESH_TOKEN: Final = "refresh-token-1"
SECRETS: Final = (PASSWORD, CODE, REFRESH_TOKEN, "access-token-1", "refresh-token-2", "bearer-token-1")


class FakeIdentity:
    """Implement `tallystick.services.ports.Identity`."""

    def register(self, email: str, password: str) -> Registration:
        self._check(email)
        if email == ADA:
            raise EmailRegistered("This address has an account; log in instead.")
        if len(password) < 12:
            raise InvalidRequest([{"detail": "Password not long enough", "pointer": "/password"}])
        return Registration("user-1", confirmed=False)

    def confirm(self, email: str, code: str) -> None:
        self._check(email)
        if code != CODE:
            raise InvalidCredentials("The code is wrong or has ended.")

    def login(self, email: str, password: str) -> Tokens:
        self._check(email)
        if email == UNCONFIRMED:
            raise EmailNotConfirmed("Confirm the address with the code that was sent to it.")
        if email == CHALLENGED:
            raise LoginStepRequired(
                "This account must first pass NEW_PASSWORD_REQUIRED.", challenge="NEW_PASSWORD_REQUIRED"
            )
        if (email, password) != (ADA, PASSWORD):
            raise InvalidCredentials("E-mail, password or token is wrong, or the token has ended.")
        return Tokens("access-token-1", REFRESH_TOKEN, 900)

    def refresh(self, refresh_token: str) -> Tokens:
        if refresh_token != REFRESH_TOKEN:
            raise InvalidCredentials("E-mail, password or token is wrong, or the token has ended.")
        return Tokens("access-token-2", "refresh-token-2", 900)

    def logout(self, refresh_token: str) -> None:
        if refresh_token.startswith("access"):
            raise InvalidRequest([{"detail": "Unsupported token type", "pointer": "/refresh_token"}])

    @staticmethod
    def _check(email: str) -> None:
        if email == HASTY:
            raise TooManyRequests("Too many attempts; wait before the next one.")
        if email == UNREACHABLE:
            raise StoreUnavailable("The identity provider did not answer; try again.")
