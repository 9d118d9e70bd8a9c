"""A ready tillbridge configuration that points at a sandbox."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

from tillbridge.sandbox.places import Place


class SandboxLike(Protocol):
    """What a configuration needs to know of a sandbox, also of one in another process."""

    @property
    def lightspeed_url(self) -> str: ...
    @property
    def token_url(self) -> str: ...
    @property
    def authorize_url(self) -> str: ...
    @property
    def connecteam_url(self) -> str: ...
    @property
    def auth(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def client_secret(self) -> str: ...
    @property
    def redirect_uri(self) -> str: ...
    @property
    def api_key(self) -> str: ...
    @property
    def day(self) -> date: ...
    @property
    def locations(self) -> Sequence[Place]: ...


def config_toml(
    sandbox: SandboxLike,
    ledger_path: str | Path,
    *,
    poll_every: str = "2s",
    start: date | None = None,
) -> str:
    """A whole configuration file as text, its secrets written out: they are the sandbox's own.

    Args:
        sandbox: where it points to.
        ledger_path: where the ledger will be.
        poll_every: a duration, as the configuration writes it.
        start: the first day that is read; the day before the last day of trade if None.
    """
    first = start or sandbox.day - timedelta(days=1)
    lines = [
        "config_version = 1",
        'name = "Sandbox"',
        "",
        "[lightspeed]",
        f"auth = {_quoted(sandbox.auth)}",
        f"api_url = {_quoted(sandbox.lightspeed_url)}",
        f"authorize_url = {_quoted(sandbox.authorize_url)}",
        f"token_url = {_quoted(sandbox.token_url)}",
        f"client_id = {_quoted(sandbox.client_id)}",
        f"client_secret = {_quoted(sandbox.client_secret)}",
        f"redirect_uri = {_quoted(sandbox.redirect_uri)}",
        "",
        "[connecteam]",
        f"base_url = {_quoted(sandbox.connecteam_url)}",
        f"api_key = {_quoted(sandbox.api_key)}",
        "",
        "[ledger]",
        f"path = {_quoted(str(ledger_path))}",
        "",
        "[sync]",
        f"poll_every = {_quoted(poll_every)}",
    ]
    for place in sandbox.locations:
        lines += ["", "[[locations]]", *_location(place), f"start = {first.isoformat()}"]
    return "\n".join(lines) + "\n"


def _location(place: Place) -> list[str]:
    return [
        f"name = {_quoted(place.name)}",
        f"lightspeed_id = {place.lightspeed_id}",
        f"connecteam_id = {place.connecteam_id}",
        f"timezone = {_quoted(place.timezone)}",
        f"currency = {_quoted(place.currency)}",
        "exclusive = true",
    ]


def _quoted(text: str) -> str:
    # A JSON string without escaped non-ASCII is a TOML basic string.
    return json.dumps(text, ensure_ascii=False)
