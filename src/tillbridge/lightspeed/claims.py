"""Who an access token speaks for, where the token can be read: for people, and never for a check.

A V2 access token is a JSON Web Token; its signature is Lightspeed's business, so nothing that is
read here may decide anything. A V1 token tells nothing.
"""

import base64
import json

_NAMES = ("preferred_username", "email", "name")
_MOST_CHARS = 100


def person_of(access_token: str) -> str | None:
    """The person's user name or address; None where the token does not tell."""
    parts = access_token.split(".")
    if len(parts) != 3:
        return None
    padded = parts[1] + "=" * (-len(parts[1]) % 4)
    try:
        claims = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    told = (claims.get(name) for name in _NAMES)
    names = (name for name in told if isinstance(name, str) and name and name.isprintable())
    return next(names, "")[:_MOST_CHARS] or None
