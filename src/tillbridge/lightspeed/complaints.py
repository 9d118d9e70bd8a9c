"""What Lightspeed says when it says no, turned into words: the error half of `wire`.

Error bodies come in several shapes, and from machines in front of Lightspeed in any shape at all
(DOMAIN: `{"error"}` with 400, `{timestamp,path,status,error,requestId}` with 500, OAuth's
`error_description`, HTML). Nothing here raises, whatever the body holds, and nothing here decides.
"""

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from tillbridge.http import Answer
from tillbridge.log import redact

_MOST_CHARS = 500
_TEXT_KEYS = ("error", "error_description", "message", "detail", "title")
_REQUEST_ID_KEYS = ("requestId", "request_id")
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
# The sentence: "... was not operational on the provided date.\nPlease specify a date and time
# after: 2023-05-02T00:00:00+02:00, which is the earliest available date for this location."
_EARLIEST = re.compile(
    r"after:\s*(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d))",
    re.IGNORECASE,
)
_STAMP = TypeAdapter(AwareDatetime)


def error_text(answer: Answer) -> str:
    """The explanation in an answer, as one redacted line without a full stop at its end."""
    text = answer.body.decode("utf-8", errors="replace").strip()
    try:
        said = _said(json.loads(text))
    except (ValueError, RecursionError):
        said = _page_title(text) if text.startswith("<") else text
    line = " ".join(redact(said).split())[:_MOST_CHARS].rstrip(" .")
    return line or "without an explanation"


def _said(document: object, depth: int = 0) -> str:
    if isinstance(document, str):
        return document
    if isinstance(document, list) and document and depth < 3:
        return _said(document[0], depth + 1)
    if not isinstance(document, dict):
        return ""
    words: list[str] = []
    for key in _TEXT_KEYS:
        word = _said(document[key], depth + 1).strip() if depth < 3 and key in document else ""
        if word and word not in words:
            words.append(word)
    request_id = next((document[key] for key in _REQUEST_ID_KEYS if document.get(key)), None)
    if request_id is not None:
        words[-1:] = [f"{words[-1] if words else ''} (request id {request_id})".strip()]
    return ": ".join(words)


def _page_title(html: str) -> str:
    found = _TITLE.search(html)
    return f"a web page titled '{found[1].strip()}'" if found else "a web page"


def earliest_date(text: str) -> datetime | None:
    """The moment before which a location has no data, where the text names one; aware."""
    found = _EARLIEST.search(text)
    if found is None:
        return None
    try:
        return _STAMP.validate_python(found[1])
    except ValidationError:
        return None


def retry_after_s(answer: Answer, now: datetime) -> float | None:
    """The wait in seconds that an answer asks for, written as seconds or as a date; else None."""
    written = answer.headers.get("retry-after", "").strip()
    if not written:
        return None
    if re.fullmatch(r"\d{1,9}(\.\d+)?", written):
        return float(written)
    try:
        moment = parsedate_to_datetime(written)
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000" means UTC without a claim about the zone
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
