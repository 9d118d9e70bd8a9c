"""Signing in to Connecteam: an API key, or OAuth 2.0 client credentials."""

import json
from collections.abc import Mapping
from threading import Lock
from typing import Any

from tillbridge.clock import Clock
from tillbridge.connecteam.wire import error_text
from tillbridge.errors import CredentialsRefused, TryLater
from tillbridge.http import Answer, Http, NoAnswer
from tillbridge.log import keep_secret

SCOPES = "sales_data.read sales_data.write sales_data.delete"
_EARLY_S = 60.0


class ApiKey:
    """Gives the header of an API key."""

    def __init__(self, key: str) -> None:
        self._headers = {"X-API-KEY": key}

    def __call__(self) -> Mapping[str, str]:
        return self._headers


class ClientCredentials:
    """Gives the header of an access token, fetched when the last one is about to end.

    Args:
        http: the same host as the data: an Australian account has an Australian token host.
        client_id: of the OAuth app.
        client_secret: of the OAuth app.
        clock: tells how old the token is.
    """

    def __init__(self, http: Http, client_id: str, client_secret: str, clock: Clock) -> None:
        self._http = http
        self._basic = (client_id, client_secret)
        self._clock = clock
        self._guard = Lock()
        self._token = ""
        self._until_boot_s = 0.0

    def __call__(self) -> Mapping[str, str]:
        """The headers of a request.

        Raises:
            CredentialsRefused: the app's credentials or scopes.
            TryLater: the token address does not answer as it should.
        """
        with self._guard:
            if self._clock.boot_s() >= self._until_boot_s:
                self._fetch()
            return {"Authorization": f"Bearer {self._token}"}

    def _fetch(self) -> None:
        answer = self._http.exchange(
            "POST",
            "/oauth/v1/token",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            content=f"grant_type=client_credentials&scope={SCOPES.replace(' ', '+')}".encode(),
            basic=self._basic,
        )
        document = self._decode(answer)
        self._token = str(document["access_token"])
        keep_secret(self._token)
        self._until_boot_s = self._clock.boot_s() + float(document["expires_in"]) - _EARLY_S

    def _decode(self, answer: Answer | NoAnswer) -> Mapping[str, Any]:
        host = self._http.host
        if isinstance(answer, NoAnswer):
            raise TryLater(
                f"Connecteam ({host}) could not be reached for an access token: {answer.reason}.",
                f"{answer.remedy} It is tried again by itself.".strip(),
            )
        if answer.status in (400, 401, 403):
            raise CredentialsRefused(
                f"Connecteam ({host}) gave no access token: {answer.status} {error_text(answer)}.",
                f"Check client_id and client_secret, and that the app has the scopes {SCOPES}.",
            )
        try:
            document = json.loads(answer.body)
            float(document["expires_in"])
            if answer.status == 200 and document["access_token"]:
                return dict(document)
        except (ValueError, KeyError, TypeError):
            pass
        raise TryLater(
            f"Connecteam ({host}) answered the request for an access token with {answer.status}.",
            "tillbridge tries again by itself.",
        )
