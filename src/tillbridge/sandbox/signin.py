"""Lightspeed's sign-in: codes that live for seconds, refresh tokens that work once.

Owns which tokens are good. Must never print one. What a person sees is in `signin_pages`.
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tillbridge.sandbox import signin_pages as pages
from tillbridge.sandbox.options import SandboxOptions
from tillbridge.sandbox.wire import Counters

V2_PATH: Final = "/realms/k-series/protocol/openid-connect"
V1_PATH: Final = "/oauth"
PERSON: Final = "back.office@sandbox.example"


@dataclass(frozen=True, slots=True)
class _Code:
    redirect_uri: str
    challenge: str | None
    ends_at_s: float
    scope: str


@dataclass(slots=True)
class SignIn:
    """The authorization server, as far as one client sees it."""

    options: SandboxOptions
    counters: Counters
    client_id: str = "devp-v2-sandbox"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _lock: Lock = field(default_factory=Lock)
    _codes: dict[str, _Code] = field(default_factory=dict)
    _refresh: dict[str, tuple[float, str]] = field(default_factory=dict)
    _spent: set[str] = field(default_factory=set)
    _access: dict[str, float] = field(default_factory=dict)

    def new_refresh_token(self, scope: str | None = None) -> str:
        """One valid, unused refresh token, as a finished sign-in would have left it."""
        token = secrets.token_urlsafe(48)
        ttl_s = self.options.refresh_ttl_s
        granted = " ".join(self.options.lightspeed_scopes) if scope is None else scope
        with self._lock:
            ends_at_s = time.monotonic() + ttl_s if ttl_s else float("inf")
            self._refresh[token] = ends_at_s, granted
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

    def end_sign_ins(self) -> None:
        """Every token stops working now, as if the person had been removed."""
        with self._lock:
            self._access.clear()
            self._refresh.clear()

    def routes(self) -> list[Route]:
        both = ["GET", "POST"]
        return [
            Route(f"{V2_PATH}/auth", self._authorize, methods=both),
            Route(f"{V1_PATH}/authorize", self._authorize, methods=both),
            Route(f"{V2_PATH}/token", self._token_v2, methods=["POST"]),
            Route(f"{V1_PATH}/token", self._token_v1, methods=["POST"]),
        ]

    async def _authorize(self, request: Request) -> Response:
        """GET shows the page on which a person signs in; POST is the press of its button."""
        asked = request.query_params
        if asked.get("client_id") != self.client_id:
            return HTMLResponse(pages.sorry("Client not found."), 400)
        redirect_uri = asked.get("redirect_uri", "")
        if redirect_uri != self.options.redirect_uri:
            return HTMLResponse(pages.sorry("Invalid parameter: redirect_uri"), 400)
        answer = self._refusal(asked)
        if not answer and request.method == "GET":
            return HTMLResponse(pages.sign_in(PERSON, asked.get("scope", "")))
        if not answer:
            form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
            answer = {"error": "access_denied"} if form.get("choice") == "no" else self._code(asked)
        if "state" in asked:
            answer["state"] = asked["state"]
        joint = "&" if "?" in redirect_uri else "?"
        return RedirectResponse(f"{redirect_uri}{joint}{urlencode(answer)}", 302)

    def _refusal(self, asked: Mapping[str, str]) -> dict[str, str]:
        if asked.get("response_type") != "code":
            return {"error": "unsupported_response_type"}
        if "code_challenge" in asked and asked.get("code_challenge_method") != "S256":
            return {"error": "invalid_request"}
        scope = asked.get("scope", "")
        if not set(scope.split()) <= set(self.options.lightspeed_scopes):
            return {"error": "invalid_scope", "error_description": f"Invalid scopes: {scope}"}
        return {}

    def _code(self, asked: Mapping[str, str]) -> dict[str, str]:
        code = secrets.token_urlsafe(24)
        ends_at_s = time.monotonic() + self.options.code_ttl_s
        with self._lock:
            self._codes[code] = _Code(
                asked["redirect_uri"],
                asked.get("code_challenge"),
                ends_at_s,
                asked.get("scope", "") or " ".join(self.options.lightspeed_scopes),
            )
        return {"code": code}

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
                scope = self._spend_refresh_token(asked.get("refresh_token", ""))
                if scope is None:
                    return _refused("invalid_grant", "Token is not active")
                return self._tokens(scope)
            case "authorization_code":
                scope, why = self._spend_code(asked)
                return _refused("invalid_grant", why) if scope is None else self._tokens(scope)
            case _:
                return _refused("unsupported_grant_type", "Unsupported grant_type")

    def _spend_refresh_token(self, token: str) -> str | None:
        with self._lock:
            if token in self._spent:
                self.counters.add("lightspeed.refresh_tokens_reused")
            ends_at_s, scope = self._refresh.pop(token, (0.0, ""))
            self._spent.add(token)
            return scope if ends_at_s > time.monotonic() else None

    def _spend_code(self, asked: Mapping[str, str]) -> tuple[str | None, str]:
        """The scope that the code stands for, or why it stands for none."""
        with self._lock:
            code = self._codes.pop(asked.get("code", ""), None)
        if code is None or code.ends_at_s < time.monotonic():
            return None, "Code not valid"
        if asked.get("redirect_uri") != code.redirect_uri:
            return None, "Incorrect redirect_uri"
        if code.challenge is not None:
            digest = hashlib.sha256(asked.get("code_verifier", "").encode()).digest()
            if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
                return None, "PKCE verification failed: Code mismatch"
        return code.scope, ""

    def _tokens(self, scope: str) -> Response:
        access = _readable_token(scope)
        with self._lock:
            self._access[access] = time.monotonic() + self.options.access_ttl_s
        return JSONResponse(
            {
                "access_token": access,
                "expires_in": self.options.access_ttl_s,
                "refresh_expires_in": self.options.refresh_ttl_s,
                "refresh_token": self.new_refresh_token(scope),
                "token_type": "Bearer",
                "not-before-policy": 0,
                "scope": scope,
            },
            headers={"cache-control": "no-store"},
        )


def _readable_token(scope: str) -> str:
    """As the real server's: three parts, the middle one readable; nobody here checks the last."""
    claims = {"preferred_username": PERSON, "scope": scope, "jti": secrets.token_hex(8)}
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
    body = ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
    return f"{body}.{secrets.token_urlsafe(32)}"


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
