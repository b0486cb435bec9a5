"""Who may sign in, how, and for how long."""

from tests.infra.synthesis import Synthesis


def test_tokens_are_short_lived_and_refresh_tokens_rotate(synthesis: Synthesis) -> None:
    """A stolen refresh token is worth one use; rotation rules out the flow that would not rotate."""
    (client,) = synthesis.properties("AWS::Cognito::UserPoolClient").values()

    assert client["AccessTokenValidity"] == 15
    assert client["RefreshTokenValidity"] == 30 * 24 * 60
    assert client["TokenValidityUnits"] == {"AccessToken": "minutes", "IdToken": "minutes", "RefreshToken": "minutes"}
    assert client["RefreshTokenRotation"] == {"Feature": "ENABLED", "RetryGracePeriodSeconds": 10}
    assert client["ExplicitAuthFlows"] == ["ALLOW_USER_PASSWORD_AUTH"]


def test_the_client_is_public_and_gives_nothing_away(synthesis: Synthesis) -> None:
    """It has no secret to lose, and does not tell whether a user exists."""
    (client,) = synthesis.properties("AWS::Cognito::UserPoolClient").values()

    assert client["GenerateSecret"] is False
    assert client["EnableTokenRevocation"] is True
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert client["AllowedOAuthFlowsUserPoolClient"] is False


def test_people_sign_up_themselves_by_e_mail(synthesis: Synthesis) -> None:
    """And prove the address before they get in."""
    (pool,) = synthesis.properties("AWS::Cognito::UserPool").values()

    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": False}
    assert pool["UsernameAttributes"] == ["email"]
    assert pool["AutoVerifiedAttributes"] == ["email"]
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}


def test_passwords_are_strong(synthesis: Synthesis) -> None:
    """Twelve characters of all four kinds."""
    (pool,) = synthesis.properties("AWS::Cognito::UserPool").values()
    policy = pool["Policies"]["PasswordPolicy"]

    assert policy["MinimumLength"] == 12
    kinds = ("RequireLowercase", "RequireNumbers", "RequireSymbols", "RequireUppercase")
    assert [policy[kind] for kind in kinds] == [True] * 4


def test_users_of_production_cannot_be_deleted_with_the_pool(production: Synthesis, local: Synthesis) -> None:
    """A local pool must be, or `down` would leave it behind."""
    (pool,) = production.properties("AWS::Cognito::UserPool").values()
    assert pool["DeletionProtection"] == "ACTIVE"
    (pool,) = local.properties("AWS::Cognito::UserPool").values()
    assert pool["DeletionProtection"] == "INACTIVE"


def test_there_are_two_groups(synthesis: Synthesis) -> None:
    """Who is in neither is a user."""
    groups = synthesis.properties("AWS::Cognito::UserPoolGroup").values()

    assert sorted(group["GroupName"] for group in groups) == ["ADMIN", "SERVICE"]
