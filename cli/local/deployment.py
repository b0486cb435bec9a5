"""A deployed application, as tests and the demo see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config

from cli.local.errors import LocalCloudError
from cli.local.server import REGION

ACCOUNT = "000000000000"
# The emulator's root key: what it signs is not checked, and no policy limits it.
ADMINISTRATOR = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@dataclass(frozen=True)
class Access:
    """AWS credentials and the endpoint they are for; make clients before threads start, boto3 wants it so."""

    endpoint_url: str
    credentials: Mapping[str, str] = field(default_factory=lambda: ADMINISTRATOR, repr=False)
    region: str = REGION

    @cached_property
    def session(self) -> boto3.Session:
        """A session with these credentials; its clients still need `endpoint_url`, which sessions cannot carry."""
        return boto3.Session(
            aws_access_key_id=self.credentials["aws_access_key_id"],
            aws_secret_access_key=self.credentials["aws_secret_access_key"],
            aws_session_token=self.credentials.get("aws_session_token"),
            region_name=self.region,
        )

    def client(self, service: str, config: Config | None = None) -> Any:  # noqa: ANN401 - see below
        """Make a client of that service; the annotation of the caller's variable gives it its type."""
        # Proxies of the environment must not get in between.
        direct = Config(proxies={}).merge(config) if config else Config(proxies={})
        return self.session.client(service, endpoint_url=self.endpoint_url, config=direct)  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True)
class Deployment:
    """The addresses and names of a deployed application, and administrator's access to it."""

    base_url: str
    sandbox_url: str
    access: Access
    outputs: Mapping[str, str]
    pid: int
    started_at: str
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def endpoint_url(self) -> str:
        """The address of the AWS endpoint."""
        return self.access.endpoint_url

    @property
    def public_url(self) -> str:
        """The address that the payment providers believe the API to have."""
        return self.outputs["PublicUrl"]

    def client(self, service: str, config: Config | None = None) -> Any:  # noqa: ANN401 - as above
        """Make a client with administrator's credentials."""
        return self.access.client(service, config)

    def function_name(self, name: str) -> str:
        """Find the physical name of `functions/<name>`; raises LocalCloudError when it is not deployed."""
        pages = self.client("lambda").get_paginator("list_functions").paginate()
        for function in (function for page in pages for function in page["Functions"]):
            if function["Handler"] == f"functions.{name}.handler.handler":
                return str(function["FunctionName"])
        raise LocalCloudError(f"There is no function {name!r}.")

    def acting_as(self, name: str) -> Access:
        """Get access with the role of `functions/<name>`: what its policies refuse is refused here, too."""
        function = self.client("lambda").get_function_configuration(FunctionName=self.function_name(name))
        assumed = self.client("sts").assume_role(RoleArn=function["Role"], RoleSessionName=f"as-{name}")["Credentials"]
        credentials = {
            "aws_access_key_id": assumed["AccessKeyId"],
            "aws_secret_access_key": assumed["SecretAccessKey"],
            "aws_session_token": assumed["SessionToken"],
        }
        return Access(self.endpoint_url, credentials, self.access.region)
