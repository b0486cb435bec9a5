"""Get access tokens for users of a local cloud."""

import secrets
from typing import TYPE_CHECKING

from cli.local.deployment import Deployment
from tallystick.domain.callers import Role

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient

GROUPS = (Role.SERVICE, Role.ADMIN)
"""Roles that are groups of the user pool; USER is in none."""


def issue(deployment: Deployment, role: Role, email: str) -> str:
    """Return an access token of that user with exactly that role.

    Creates the user when missing, and gives it a new password that nobody needs to know.
    """
    cognito: CognitoIdentityProviderClient = deployment.client("cognito-idp")
    pool, password = deployment.outputs["UserPoolId"], f"Aa1!{secrets.token_urlsafe(24)}"
    _ensure_user(cognito, pool, email)
    cognito.admin_set_user_password(UserPoolId=pool, Username=email, Password=password, Permanent=True)
    _set_role(cognito, pool, email, role)
    answer = cognito.initiate_auth(
        ClientId=deployment.outputs["UserPoolClientId"],
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": email, "PASSWORD": password},
    )
    return answer["AuthenticationResult"]["AccessToken"]


def _ensure_user(cognito: "CognitoIdentityProviderClient", pool: str, email: str) -> None:
    attributes = {"email": email, "email_verified": "true"}
    try:
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=email,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
        )
    except cognito.exceptions.UsernameExistsException:
        return


def _set_role(cognito: "CognitoIdentityProviderClient", pool: str, email: str, role: Role) -> None:
    """Put the user into the role's group and out of the others."""
    for group in GROUPS:
        change = cognito.admin_add_user_to_group if group is role else cognito.admin_remove_user_from_group
        change(UserPoolId=pool, Username=email, GroupName=group)
