"""The tables [lightspeed] and [connecteam]: how each vendor is reached and signed in to.

The addresses that follow from an environment or a region are the vendors' published ones.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from tillbridge.config.sections import Section
from tillbridge.config.values import Address, PositiveSeconds, Secret, Shown, Text


@dataclass(frozen=True, slots=True)
class LightspeedAddresses:
    """Where requests for sales, a person's sign-in, and requests for tokens go."""

    api_url: str
    authorize_url: str
    token_url: str


class Lightspeed(Section):
    environment: Annotated[Literal["production", "trial"], Shown()] = Field(
        default="production",
        description="Which of Lightspeed's systems holds the tills: the real one or the trial one.",
    )
    auth: Annotated[Literal["v2", "v1"], Shown()] = Field(
        default="v2",
        description="How the client signs in. Clients made since 10 November 2025 are v2; "
        "use v1 for an older one, whose sign-in address begins with api.lsk.lightspeed.app.",
    )
    client_id: Text = Field(
        description="The id of the API client, from Lightspeed's developer portal.",
        examples=["devp-v2-prod-example"],
    )
    client_secret: Secret = Field(
        description="The secret of the API client. A secret is the text itself, or one of\n"
        '{ env = "NAME" }, { file = "/PATH" } or { credential = "NAME" }\n'
        "(a variable, a file, a credential of systemd).",
        examples=[{"credential": "lightspeed-client-secret"}],
    )
    redirect_uri: Annotated[Address | None, Shown()] = Field(
        default=None,
        description="The redirect address of the API client, to the letter as it was registered. "
        "Only `tillbridge authorize` needs it.",
        examples=["https://localhost:8443/callback"],
    )
    timeout: PositiveSeconds = Field(
        default=30.0,
        description="How long to wait for Lightspeed's answer. "
        "Raise it if pages of a busy day fail with timeouts.",
    )
    max_concurrency: int = Field(
        default=2,
        ge=1,
        le=16,
        strict=True,
        description="Most requests to Lightspeed at the same time, over all locations. "
        "Lightspeed publishes no limit; few is polite.",
    )
    api_url: Address | None = Field(
        default=None,
        description="Where sales are read. Follows from `environment` if left out.",
        examples=["https://api.lsk.lightspeed.app"],
    )
    authorize_url: Address | None = Field(
        default=None,
        description="Where a person signs in. Follows from `environment` and `auth` if left out.",
        examples=["https://auth.lsk-prod.app/realms/k-series/protocol/openid-connect/auth"],
    )
    token_url: Address | None = Field(
        default=None,
        description="Where tokens are fetched. Follows from `environment` and `auth` if left out.",
        examples=["https://auth.lsk-prod.app/realms/k-series/protocol/openid-connect/token"],
    )

    @property
    def addresses(self) -> LightspeedAddresses:
        """The addresses in force: those that are set, else Lightspeed's published ones."""
        production = self.environment == "production"
        api = f"https://api.{'' if production else 'trial.'}lsk.lightspeed.app"
        authorize, token = f"{api}/oauth/authorize", f"{api}/oauth/token"
        if self.auth == "v2":
            host = "auth.lsk-prod.app" if production else "auth.lsk-demo.app"
            realm = f"https://{host}/realms/k-series/protocol/openid-connect"
            authorize, token = f"{realm}/auth", f"{realm}/token"
        return LightspeedAddresses(
            self.api_url or api, self.authorize_url or authorize, self.token_url or token
        )


class Connecteam(Section):
    region: Annotated[Literal["global", "australia"], Shown()] = Field(
        default="global",
        description="Where the Connecteam account lives. Australian accounts have hosts of their "
        "own.",
    )
    api_key: Annotated[Secret | None, Shown()] = Field(
        default=None,
        description="The API key of the account (a secret, see above). "
        "Either this, or `client_id` and `client_secret`.",
        examples=[{"credential": "connecteam-api-key"}],
    )
    client_id: Text | None = Field(
        default=None,
        description="The id of a Connecteam OAuth app, instead of an API key. The app needs the "
        "scopes sales_data.read, sales_data.write and sales_data.delete.",
        examples=["connecteam-client-id"],
    )
    client_secret: Secret | None = Field(
        default=None,
        description="The secret of that app.",
        examples=[{"credential": "connecteam-client-secret"}],
    )
    connect_timeout: PositiveSeconds = Field(
        default=5.0, description="How long to wait for a connection to Connecteam."
    )
    timeout: PositiveSeconds = Field(
        default=90.0,
        description="How long to wait for Connecteam's answer. Too short makes doubts: after a "
        "timeout nobody knows whether the sales were taken.",
    )
    quota_share: float = Field(
        default=0.8,
        gt=0,
        le=1,
        strict=True,
        allow_inf_nan=False,
        description="The part of the account's request limits that tillbridge may use; the rest "
        "is for the customer's other programs. 1 is all of it.",
    )
    backfill_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        strict=True,
        allow_inf_nan=False,
        description="The part of that share which history may use; the rest is for live sales.",
    )
    base_url: Address | None = Field(
        default=None,
        description="Where Connecteam is. Follows from `region` if left out.",
        examples=["https://api.connecteam.com"],
    )
    minute_limit: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        strict=True,
        description="Requests per minute of the account's plan (5, 100 or 200), used only until "
        "Connecteam's answers name the limit.",
        examples=[100],
    )
    day_limit: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        strict=True,
        description="Requests per day of the account's plan (100, 10000 or 20000), used only "
        "until Connecteam's answers name the limit.",
        examples=[10_000],
    )

    @property
    def address(self) -> str:
        """The base address in force."""
        if self.base_url:
            return self.base_url
        host = "api-au" if self.region == "australia" else "api"
        return f"https://{host}.connecteam.com"
