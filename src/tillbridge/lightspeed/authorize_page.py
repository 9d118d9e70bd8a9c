"""A look at the page on which a person will sign in, before the person is sent there.

A wrong client, redirect address or scope shows at once, and the program can say what to change;
the person would see only an error page. Nothing is used up: nobody signs in by looking.
"""

import re

from tillbridge.errors import TillbridgeError, TryLater
from tillbridge.http import Http, NoAnswer
from tillbridge.lightspeed.signing_in import (
    Registered,
    begin,
    page_trouble,
    redirect_trouble,
)
from tillbridge.log import redact

_NOT_WORDS = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_MOST_BYTES = 200_000


def look(http: Http, client: Registered) -> TillbridgeError | None:
    """What is wrong with the client as the configuration describes it; None if nothing shows."""
    # A sign-in of its own, so that the address which the person opens is a fresh one.
    answer = http.exchange("GET", begin(client).address, headers={"Accept": "text/html"})
    if isinstance(answer, NoAnswer):
        return TryLater(
            f"Lightspeed's sign-in page ({client.host}) cannot be reached: "
            f"{redact(answer.reason)}.",
            f"{answer.remedy} Then run `tillbridge authorize` again.".strip(),
        )
    if 300 <= answer.status < 400:
        return redirect_trouble(answer.headers.get("location", ""), client)
    if answer.status < 400:
        return None
    if answer.status >= 500:
        return TryLater(
            f"Lightspeed's sign-in page ({client.host}) does not work now: it answered "
            f"{answer.status}.",
            "Run `tillbridge authorize` again later.",
        )
    words = _NOT_WORDS.sub(" ", answer.body[:_MOST_BYTES].decode("utf-8", "replace"))
    return page_trouble(words, client)
