"""Signing in to Connecteam: an API key, or OAuth 2.0 client credentials."""

import json
from collections.abc import Mapping
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from tillbridge.clock import Clock
from tillbridge.connecteam.wire import error_text
from tillbridge.errors import CredentialsRefused, TryLater
from tillbridge.http import Answer, Http, NoAnswer
from tillbridge.log import keep_secret

SCOPES = ("sales_data.read", "sales_data.write", "sales_data.delete")
_EARLY_S = 60.0
_SAY_WHICH = (
    "Scopes are fixed when an app is made: make one with sales_data.read, sales_data.write and "
    "sales_data.delete in Connecteam, and put its client_id and client_secret under [connecteam]."
)


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
        self._used = False  # more than once: not turned away from the beginning
        self._missing: tuple[str, ...] | None = None
        self.granted: frozenset[str] | None = None
        """The scopes of the last token; None where the answer did not tell."""

    def __call__(self) -> Mapping[str, str]:
        """The headers of a request.

        Raises:
            CredentialsRefused: the app's credentials or scopes.
            TryLater: the token address does not answer as it should.
        """
        with self._guard:
            if self._clock.boot_s() >= self._until_boot_s:
                self._fetch()
            else:
                self._used = True
            return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> bool:
        """Connecteam has turned the token away: the next request fetches another one.

        Returns:
            Whether there is a token that had worked for a while, so that another may help.
        """
        with self._guard:
            had = bool(self._token) and self._used
            self._token, self._until_boot_s, self._used = "", 0.0, False
        return had

    def _fetch(self) -> None:
        document = self._decode(self._ask(" ".join(SCOPES)))
        self._token = str(document["access_token"])
        keep_secret(self._token)
        self._until_boot_s = self._clock.boot_s() + float(document["expires_in"]) - _EARLY_S
        told = document.get("scope")
        self.granted = frozenset(told.split()) if isinstance(told, str) and told else None

    def _ask(self, scope: str) -> Answer | NoAnswer:
        form = {"grant_type": "client_credentials", "scope": scope}
        return self._http.exchange(
            "POST",
            "/oauth/v1/token",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            content=urlencode(form).encode(),
            basic=self._basic,
        )

    def _missing_scopes(self) -> tuple[str, ...]:
        """Those that the app does not have, found out by asking for each alone, once a process:
        Connecteam's refusal does not name them.
        """
        if self._missing is None:
            answers = {scope: self._ask(scope) for scope in SCOPES}
            if any(isinstance(answer, NoAnswer) for answer in answers.values()):
                return ()
            self._missing = tuple(
                scope
                for scope, answer in answers.items()
                if isinstance(answer, Answer) and answer.status in (400, 403)
            )
        return self._missing

    def _decode(self, answer: Answer | NoAnswer) -> Mapping[str, Any]:
        host = self._http.host
        if isinstance(answer, NoAnswer):
            raise TryLater(
                f"Connecteam ({host}) could not be reached for an access token: {answer.reason}.",
                f"{answer.remedy} It is tried again by itself.".strip(),
            )
        if answer.status in (400, 401, 403):
            raise self._refusal(answer)
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

    def _refusal(self, answer: Answer) -> CredentialsRefused:
        host, said = self._http.host, f"{answer.status} {error_text(answer)}"
        missing = self._missing_scopes() if "scope" in said.lower() else ()
        if missing:
            return CredentialsRefused(
                f"The Connecteam app lacks the scope {' and '.join(missing)} "
                f"({host} says: {said}).",
                _SAY_WHICH,
            )
        return CredentialsRefused(
            f"Connecteam ({host}) gave no access token: {said}.",
            "Check client_id and client_secret under [connecteam], and its region: Australian "
            f"accounts have their own host. {_SAY_WHICH}",
        )
