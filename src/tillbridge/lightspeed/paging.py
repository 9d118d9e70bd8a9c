"""What can be told from a page token. Lightspeed documents none of it."""

import base64
import binascii
from datetime import datetime

from tillbridge.days import epoch_ms


def token_stamp(token: str) -> int | None:
    """The moment that a token is, in epoch milliseconds; None if it is something else.

    A published token decodes to a bare millisecond stamp, probably the `timeClosed` of the last
    sale of the page. Such a token cannot tell two sales of the same millisecond apart.
    """
    for text in (token, _base64_text(token)):
        if text.isdecimal() and len(text) == 13:
            return int(text)
        moment = _iso(text)
        if moment is not None:
            return epoch_ms(moment)
    return None


def _base64_text(token: str) -> str:
    try:
        padded = token + "=" * (-len(token) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""


def _iso(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
