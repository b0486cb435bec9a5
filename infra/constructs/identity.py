"""Create the user pool: who may call, and in which role."""

from aws_cdk import Duration
from aws_cdk.aws_cognito import (
    AccountRecovery,
    AuthFlow,
    AutoVerifiedAttrs,
    CfnUserPoolGroup,
    FeaturePlan,
    PasswordPolicy,
    SignInAliases,
    UserPool,
    UserPoolClient,
)
from constructs import Construct

from infra.constructs.logs import removal_policy
from infra.stage import Stage

GROUPS = ("ADMIN", "SERVICE")


class Identity(Construct):
    """Sign people up by e-mail and hand out access tokens that live for 15 minutes."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        self.user_pool = UserPool(
            self,
            "Users",
            self_sign_up_enabled=True,
            sign_in_aliases=SignInAliases(email=True),
            sign_in_case_sensitive=False,
            auto_verify=AutoVerifiedAttrs(email=True),
            account_recovery=AccountRecovery.EMAIL_ONLY,
            password_policy=PasswordPolicy(
                min_length=12,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
                temp_password_validity=Duration.days(1),
            ),
            # The lowest plan that can rotate refresh tokens.
            feature_plan=FeaturePlan.ESSENTIALS,
            deletion_protection=stage.keeps_data,
            removal_policy=removal_policy(stage),
        )
        self.client = self._client()
        for group in GROUPS:
            CfnUserPoolGroup(self, group.title(), user_pool_id=self.user_pool.user_pool_id, group_name=group)

    def _client(self) -> UserPoolClient:
        return self.user_pool.add_client(
            "Client",
            generate_secret=False,
            auth_flows=AuthFlow(user_password=True),
            disable_o_auth=True,
            access_token_validity=Duration.minutes(15),
            id_token_validity=Duration.minutes(15),
            refresh_token_validity=Duration.days(30),
            # Rotation, with time for one repeat of an answer that was lost. It rules out REFRESH_TOKEN_AUTH:
            # refreshing is GetTokensFromRefreshToken. The local cloud takes the setting and does not rotate.
            refresh_token_rotation_grace_period=Duration.seconds(10),
            enable_token_revocation=True,
            prevent_user_existence_errors=True,
        )
