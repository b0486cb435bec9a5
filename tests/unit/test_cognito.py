"""Check what is sent to Cognito and what its answers and errors turn into, without a network."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from botocore.stub import Stubber

from tallystick.adapters import cognito
from tallystick.adapters.cognito import CognitoIdentity
from tallystick.domain import errors
from tallystick.services.ports.identity import Registration, Tokens

CALLS: dict[str, tuple[str, Callable[[CognitoIdentity], Any]]] = {
    "SignUp": ("sign_up", lambda identity: identity.register("ada@example.com", "password")),
    "ConfirmSignUp": ("confirm_sign_up", lambda identity: identity.confirm("ada@example.com", "123456")),
    "InitiateAuth": ("initiate_auth", lambda identity: identity.login("ada@example.com", "password")),
    "GetTokensFromRefreshToken": ("get_tokens_from_refresh_token", lambda identity: identity.refresh("refresh-1")),
    "RevokeToken": ("revoke_token", lambda identity: identity.logout("refresh-1")),
}
"""Operation, its method of boto and the call of ours."""

REFUSALS = {
    "NotAuthorizedException": errors.InvalidCredentials,
    "UserNotFoundException": errors.InvalidCredentials,
    "RefreshTokenReuseException": errors.InvalidCredentials,
    "CodeMismatchException": errors.InvalidCredentials,
    "ExpiredCodeException": errors.InvalidCredentials,
    "UserNotConfirmedException": errors.EmailNotConfirmed,
    "UsernameExistsException": errors.EmailRegistered,
    "PasswordResetRequiredException": errors.LoginStepRequired,
    "TooManyRequestsException": errors.TooManyRequests,
    "LimitExceededException": errors.TooManyRequests,
    "TooManyFailedAttemptsException": errors.TooManyRequests,
    "InvalidPasswordException": errors.InvalidRequest,
    "InvalidParameterException": errors.InvalidRequest,
    "UnsupportedTokenTypeException": errors.InvalidRequest,
    "InternalErrorException": errors.StoreUnavailable,
    "CodeDeliveryFailureException": errors.StoreUnavailable,
}
OUR_FAULT = {
    "AliasExistsException",
    "ForbiddenException",
    "InvalidEmailRoleAccessPolicyException",
    "InvalidLambdaResponseException",
    "InvalidSmsRoleAccessPolicyException",
    "InvalidSmsRoleTrustRelationshipException",
    "InvalidUserPoolConfigurationException",
    "OperationNotEnabledException",
    "ResourceNotFoundException",
    "UnauthorizedException",
    "UnexpectedLambdaException",
    "UnsupportedOperationException",
    "UserLambdaValidationException",
}
"""What only a wrong configuration of the pool or client brings about: an internal error, and an alarm."""


@pytest.fixture(scope="module")
def client() -> Any:  # noqa: ANN401 (botocore makes clients at run time)
    return CognitoIdentity("client-1", "eu-west-1")._client  # noqa: SLF001 (made once: it takes long)


@pytest.fixture
def identity(client: Any) -> CognitoIdentity:  # noqa: ANN401
    identity = CognitoIdentity("client-1", "eu-west-1")
    identity.__dict__["_client"] = client
    return identity


@pytest.fixture
def stubber(client: Any) -> Iterator[Stubber]:  # noqa: ANN401
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def test_register(identity: CognitoIdentity, stubber: Stubber) -> None:
    sent = {
        "ClientId": "client-1",
        "Username": "ada@example.com",
        "Password": "password",
        "UserAttributes": [{"Name": "email", "Value": "ada@example.com"}],
    }
    stubber.add_response("sign_up", {"UserSub": "user-1", "UserConfirmed": False}, sent)
    assert identity.register("ada@example.com", "password") == Registration("user-1", confirmed=False)


def test_confirm(identity: CognitoIdentity, stubber: Stubber) -> None:
    sent = {"ClientId": "client-1", "Username": "ada@example.com", "ConfirmationCode": "123456"}
    stubber.add_response("confirm_sign_up", {}, sent)
    identity.confirm("ada@example.com", "123456")


def test_login(identity: CognitoIdentity, stubber: Stubber) -> None:
    sent = {
        "ClientId": "client-1",
        "AuthFlow": "USER_PASSWORD_AUTH",
        "AuthParameters": {"USERNAME": "ada@example.com", "PASSWORD": "password"},
    }
    result = {"AccessToken": "access-1", "RefreshToken": "refresh-1", "ExpiresIn": 900}
    stubber.add_response("initiate_auth", {"AuthenticationResult": result}, sent)
    assert identity.login("ada@example.com", "password") == Tokens("access-1", "refresh-1", 900)


def test_login_that_asks_for_more(identity: CognitoIdentity, stubber: Stubber) -> None:
    stubber.add_response("initiate_auth", {"ChallengeName": "SOFTWARE_TOKEN_MFA", "Session": "s" * 20})
    with pytest.raises(errors.LoginStepRequired) as refused:
        identity.login("ada@example.com", "password")
    assert refused.value.members == {"challenge": "SOFTWARE_TOKEN_MFA"}


@pytest.mark.parametrize(("rotated", "expected"), [({"RefreshToken": "refresh-2"}, "refresh-2"), ({}, "refresh-1")])
def test_refresh(identity: CognitoIdentity, stubber: Stubber, rotated: dict[str, str], expected: str) -> None:
    result = {"AccessToken": "access-2", "ExpiresIn": 900, **rotated}
    sent = {"ClientId": "client-1", "RefreshToken": "refresh-1"}
    stubber.add_response("get_tokens_from_refresh_token", {"AuthenticationResult": result}, sent)
    assert identity.refresh("refresh-1") == Tokens("access-2", expected, 900)


def test_logout(identity: CognitoIdentity, stubber: Stubber) -> None:
    stubber.add_response("revoke_token", {}, {"ClientId": "client-1", "Token": "refresh-1"})
    identity.logout("refresh-1")


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(("code", "refusal"), REFUSALS.items(), ids=REFUSALS.keys())
def test_error_becomes_a_refusal(
    identity: CognitoIdentity, stubber: Stubber, operation: str, code: str, refusal: type[errors.Refusal]
) -> None:
    method, call = CALLS[operation]
    stubber.add_client_error(method, code, "what Cognito says")
    with pytest.raises(refusal):
        call(identity)


@pytest.mark.parametrize("operation", CALLS)
def test_every_error_of_an_operation_is_accounted_for(client: Any, operation: str) -> None:  # noqa: ANN401
    shapes = client.meta.service_model.operation_model(operation).error_shapes
    assert {shape.name for shape in shapes} <= REFUSALS.keys() | OUR_FAULT


def test_misconfiguration_is_no_refusal(identity: CognitoIdentity, stubber: Stubber) -> None:
    stubber.add_client_error("sign_up", "ResourceNotFoundException", "no such client")
    with pytest.raises(ClientError):
        identity.register("ada@example.com", "password")


@pytest.mark.parametrize("operation", CALLS)
def test_silence_is_unavailability(identity: CognitoIdentity, monkeypatch: pytest.MonkeyPatch, operation: str) -> None:
    def silence(*_arguments: object) -> None:
        raise ConnectTimeoutError(endpoint_url="https://cognito-idp.example")

    monkeypatch.setattr(type(identity._client), "_make_api_call", silence)  # noqa: SLF001
    with pytest.raises(errors.StoreUnavailable):
        CALLS[operation][1](identity)


def test_wrong_password_and_unknown_address_look_alike() -> None:
    refusals = [cognito._refusal(code, "") for code in ("NotAuthorizedException", "UserNotFoundException")]  # noqa: SLF001
    assert [str(refusal) for refusal in refusals] == [str(refusals[0])] * 2
