"""Sign people up and in with Amazon Cognito; these calls carry the client id and need no AWS credentials."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tallystick.adapters.sdk import open_client
from tallystick.adapters.silence import SILENCE
from tallystick.domain.errors import (
    EmailNotConfirmed,
    EmailRegistered,
    InvalidCredentials,
    InvalidRequest,
    LoginStepRequired,
    Refusal,
    StoreUnavailable,
    TooManyRequests,
)
from tallystick.services.ports.identity import Registration, Tokens

_CONFIG: Final = Config(
    signature_version=UNSIGNED, connect_timeout=1, read_timeout=4, retries={"mode": "standard", "total_max_attempts": 2}
)
_UNAVAILABLE: Final = (StoreUnavailable, "The identity provider did not answer; try again.")
_WRONG: Final = (InvalidCredentials, "E-mail, password or token is wrong, or the token has ended.")
_WRONG_CODE: Final = (InvalidCredentials, "The code is wrong or has ended.")
_TOO_MANY: Final = (TooManyRequests, "Too many attempts; wait before the next one.")
_REFUSALS: Final[dict[str, tuple[type[Refusal], str]]] = {
    "NotAuthorizedException": _WRONG,
    "UserNotFoundException": _WRONG,
    "RefreshTokenReuseException": _WRONG,
    "CodeMismatchException": _WRONG_CODE,
    "ExpiredCodeException": _WRONG_CODE,
    "PasswordResetRequiredException": (LoginStepRequired, "The password has to be reset first."),
    "UserNotConfirmedException": (EmailNotConfirmed, "Confirm the address with the code that was sent to it."),
    "UsernameExistsException": (EmailRegistered, "This address has an account; log in instead."),
    "TooManyRequestsException": _TOO_MANY,
    "LimitExceededException": _TOO_MANY,
    "TooManyFailedAttemptsException": _TOO_MANY,
    "CodeDeliveryFailureException": _UNAVAILABLE,
    "InternalErrorException": _UNAVAILABLE,
    "ServiceUnavailable": _UNAVAILABLE,
}
_POINTERS: Final = {
    "InvalidPasswordException": "/password",
    "InvalidParameterException": "",
    "UnsupportedTokenTypeException": "/refresh_token",
}


class CognitoIdentity:
    """Implement `tallystick.services.ports.Identity` with one app client of a user pool."""

    def __init__(self, client_id: str, region: str) -> None:
        """Name the app client; nothing is opened before the first call."""
        self._client_id = client_id
        self._region = region

    def register(self, email: str, password: str) -> Registration:
        """Sign an e-mail address up; Cognito sends it a code."""
        with _refusals():
            answer = self._client.sign_up(
                ClientId=self._client_id,
                Username=email,
                Password=password,
                UserAttributes=[{"Name": "email", "Value": email}],
            )
        return Registration(answer["UserSub"], answer["UserConfirmed"])

    def confirm(self, email: str, code: str) -> None:
        """Confirm an address by the code that was sent to it."""
        with _refusals():
            self._client.confirm_sign_up(ClientId=self._client_id, Username=email, ConfirmationCode=code)

    def login(self, email: str, password: str) -> Tokens:
        """Exchange a password for tokens."""
        with _refusals():
            answer = self._client.initiate_auth(
                ClientId=self._client_id,
                AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": email, "PASSWORD": password},
            )
        if "AuthenticationResult" not in answer:
            raise LoginStepRequired(
                f"This account must first pass {answer['ChallengeName']}.", challenge=answer["ChallengeName"]
            )
        return _tokens(answer["AuthenticationResult"])

    def refresh(self, refresh_token: str) -> Tokens:
        """Exchange a refresh token for new tokens; with rotation the old one ends."""
        with _refusals():
            answer = self._client.get_tokens_from_refresh_token(ClientId=self._client_id, RefreshToken=refresh_token)
        return _tokens(answer["AuthenticationResult"], refresh_token)

    def logout(self, refresh_token: str) -> None:
        """Revoke a refresh token and what came from it."""
        with _refusals():
            self._client.revoke_token(ClientId=self._client_id, Token=refresh_token)

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 (botocore makes clients at run time)
        return open_client("cognito-idp", self._region, _CONFIG)


def _tokens(result: dict[str, Any], refresh_token: str = "") -> Tokens:
    return Tokens(result["AccessToken"], result.get("RefreshToken", refresh_token), result["ExpiresIn"])


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn Cognito's errors into refusals that do not tell whether an address is known where it can be helped."""
    try:
        yield
    except ClientError as error:
        refusal = _refusal(error.response["Error"]["Code"], error.response["Error"].get("Message", ""))
        if refusal is None:
            raise
        raise refusal from error
    except SILENCE as error:
        raise StoreUnavailable(_UNAVAILABLE[1]) from error


def _refusal(code: str, message: str) -> Refusal | None:
    if code in _POINTERS:
        return InvalidRequest([{"detail": message, "pointer": _POINTERS[code]}])
    known = _REFUSALS.get(code)
    return known[0](known[1]) if known else None
