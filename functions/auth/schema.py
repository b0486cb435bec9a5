"""What people sign up and in with."""

from typing import Annotated

from pydantic import BaseModel, Field

from tallystick.services.ports.identity import Tokens
from tallystick.shapes import StrictModel

Email = Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$", examples=["ada@example.com"])]
Password = Annotated[str, Field(min_length=1, max_length=256)]
RefreshToken = Annotated[str, Field(min_length=1, max_length=8192)]


class RegisterRequest(StrictModel):
    """Sign an address up."""

    email: Email
    password: Password


class ConfirmRequest(StrictModel):
    """Confirm an address by the code that was sent to it."""

    email: Email
    code: Annotated[str, Field(min_length=1, max_length=64)]


class LoginRequest(StrictModel):
    """Log in by password."""

    email: Email
    password: Password


class RefreshTokenRequest(StrictModel):
    """Use or end a refresh token."""

    refresh_token: RefreshToken


class RegistrationView(BaseModel):
    """Show who signed up."""

    user_id: str
    email: str
    confirmed: bool


class ConfirmationView(BaseModel):
    """Show that an address is confirmed."""

    email: str
    confirmed: bool = True


class TokensView(BaseModel):
    """Show the tokens of a session."""

    access_token: str
    refresh_token: Annotated[str, Field(description="Rotates: each refresh gives the next one and ends this one.")]
    expires_in: Annotated[int, Field(description="Seconds until the access token ends.")]
    token_type: str = "Bearer"  # noqa: S105 (no password)

    @classmethod
    def of(cls, tokens: Tokens) -> "TokensView":
        """Show tokens."""
        return cls(access_token=tokens.access_token, refresh_token=tokens.refresh_token, expires_in=tokens.expires_in_s)
