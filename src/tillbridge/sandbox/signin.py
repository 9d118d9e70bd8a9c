"""Lightspeed's sign-in: codes that live for seconds, refresh tokens that work once.

Owns which tokens are good. Must never print one.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tillbridge.sandbox.options import SandboxOptions

V2_PATH: Final = "/realms/k-series/protocol/openid-connect"
V1_PATH: Final = "/oauth"
_SCOPE: Final = "financial-api offline_access"


@dataclass(frozen=True, slots=True)
class _Code:
    redirect_uri: str
    challenge: str | None
    ends_at_s: float


@dataclass(slots=True)
class SignIn:
    """The authorization server, as far as one client sees it."""

    options: SandboxOptions
    client_id: str = "devp-v2-sandbox"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _lock: Lock = field(default_factory=Lock)
    _codes: dict[str, _Code] = field(default_factory=dict)
    _refresh: dict[str, float] = field(default_factory=dict)
    _access: dict[str, float] = field(default_factory=dict)

    def new_refresh_token(self) -> str:
        """One valid, unused refresh token, as a finished sign-in would have left it."""
        token = secrets.token_urlsafe(48)
        ttl_s = self.options.refresh_ttl_s
        with self._lock:
            self._refresh[token] = time.monotonic() + ttl_s if ttl_s else float("inf")
        return token

    def accepts(self, authorization: str | None) -> bool:
        """Whether a header `Authorization: Bearer ...` carries a living access token."""
        kind, _, token = (authorization or "").partition(" ")
        with self._lock:
            return kind.lower() == "bearer" and self._access.get(token, 0) > time.monotonic()

    def end_access_tokens(self) -> None:
        """Every access token stops working now, as if its time were over."""
        with self._lock:
            self._access.clear()

    def routes(self) -> list[Route]:
        return [
            Route(f"{V2_PATH}/auth", self._authorize),
            Route(f"{V1_PATH}/authorize", self._authorize),
            Route(f"{V2_PATH}/token", self._token_v2, methods=["POST"]),
            Route(f"{V1_PATH}/token", self._token_v1, methods=["POST"]),
        ]

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        if asked.get("client_id") != self.client_id:
            return _refused("unauthorized_client", "Client not found.")
        redirect_uri = asked.get("redirect_uri", "")
        if redirect_uri != self.options.redirect_uri:
            return _refused("invalid_request", "Invalid parameter: redirect_uri")
        answer = {"state": asked["state"]} if "state" in asked else {}
        challenge = asked.get("code_challenge")
        if asked.get("response_type") != "code":
            answer["error"] = "unsupported_response_type"
        elif challenge is not None and asked.get("code_challenge_method") != "S256":
            answer["error"] = "invalid_request"
        else:
            answer["code"] = secrets.token_urlsafe(24)
            ends_at_s = time.monotonic() + self.options.code_ttl_s
            with self._lock:
                self._codes[answer["code"]] = _Code(redirect_uri, challenge, ends_at_s)
        joint = "&" if "?" in redirect_uri else "?"
        return RedirectResponse(f"{redirect_uri}{joint}{urlencode(answer)}", 302)

    async def _token_v2(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        if not self._knows(basic_credentials(request)):
            return _refused("invalid_client", "Invalid client or Invalid client credentials", 401)
        return self._grant(form)

    async def _token_v1(self, request: Request) -> Response:
        asked = dict(request.query_params)
        given = basic_credentials(request)
        if not self._knows(given or (asked.get("client_id", ""), asked.get("client_secret", ""))):
            return _refused("invalid_client", "Bad client credentials", 401)
        return self._grant(asked)

    def _knows(self, given: tuple[str, str] | None) -> bool:
        return given == (self.client_id, self.client_secret)

    def _grant(self, asked: Mapping[str, str]) -> Response:
        match asked.get("grant_type"):
            case "refresh_token":
                good = self._spend_refresh_token(asked.get("refresh_token", ""))
                return self._tokens() if good else _refused("invalid_grant", "Token is not active")
            case "authorization_code":
                good = self._spend_code(asked)
                return self._tokens() if good else _refused("invalid_grant", "Code not valid")
            case _:
                return _refused("unsupported_grant_type", "Unsupported grant_type")

    def _spend_refresh_token(self, token: str) -> bool:
        with self._lock:
            return self._refresh.pop(token, 0) > time.monotonic()

    def _spend_code(self, asked: Mapping[str, str]) -> bool:
        with self._lock:
            code = self._codes.pop(asked.get("code", ""), None)
        if code is None or code.ends_at_s < time.monotonic():
            return False
        if asked.get("redirect_uri") != code.redirect_uri:
            return False
        if code.challenge is None:
            return True
        digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == code.challenge

    def _tokens(self) -> Response:
        access = secrets.token_urlsafe(48)
        with self._lock:
            self._access[access] = time.monotonic() + self.options.access_ttl_s
        return JSONResponse(
            {
                "access_token": access,
                "expires_in": self.options.access_ttl_s,
                "refresh_expires_in": self.options.refresh_ttl_s,
                "refresh_token": self.new_refresh_token(),
                "token_type": "Bearer",
                "not-before-policy": 0,
                "scope": _SCOPE,
            },
            headers={"cache-control": "no-store"},
        )


def basic_credentials(request: Request) -> tuple[str, str] | None:
    """Name and password of HTTP Basic, or None where there are none that can be read."""
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return name, password


def _refused(error: str, description: str, status: int = 400) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)
