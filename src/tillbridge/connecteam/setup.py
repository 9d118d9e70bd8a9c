"""What setting up asks of Connecteam beyond reading: a new location, and what the key may do.

The questions about rights change nothing there: the write holds no transaction, and the delete
names one that cannot exist. Nothing here is tried a second time.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tillbridge.connecteam import wire
from tillbridge.connecteam.client import JSON_HEADERS, Headers
from tillbridge.errors import CredentialsRefused, NeedsPerson, TillbridgeError, TryLater
from tillbridge.http import Answer, Http, NoAnswer


class Right(Enum):
    """Whether the key or the app may do something."""

    GIVEN = "given"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RightAnswer:
    """`reason` is what Connecteam said, for a person."""

    right: Right
    reason: str


class AnswerLost(TryLater):
    """The request may or may not have been carried out: look before asking again."""


class Setup:
    """Args:
    http: the pool.
    headers: authentication, asked anew for each request.
    """

    def __init__(self, http: Http, headers: Headers) -> None:
        self._http = http
        self._headers = headers

    def create_location(self, name: str) -> wire.Location:
        """Create a location; it can never be renamed or removed, so look for the name first.

        Raises:
            AnswerLost: it may have been created.
            TryLater: no connection, or too many requests; it was not created.
            CredentialsRefused: the key or its scope.
            NeedsPerson: Connecteam refuses this name.
        """
        content = json.dumps({"name": name, "isActive": True}).encode()
        answer = self._ask("POST", "/sales/v1/locations", content)
        host = self._http.host
        if isinstance(answer, NoAnswer):
            text = f"Connecteam ({host}) gave no answer when asked to create the location"
            if answer.not_sent:
                raise TryLater(f"{text}: {answer.reason}.", answer.remedy)
            raise AnswerLost(f"{text}: {answer.reason}.")
        created = wire.decode_location(answer) if answer.status == 200 else None
        if created is not None:
            return created
        said = f"{answer.status} {wire.error_text(answer)}"
        if answer.status in (200, 408) or answer.status >= 500:
            raise AnswerLost(f"Connecteam ({host}) gave no usable answer ({said}).")
        raise _refusal(answer.status, f"Connecteam ({host}) did not create the location: {said}.")

    def may_write(self) -> RightAnswer:
        """Whether transactions may be posted, asked with a request that holds none."""
        content = b'{"transactionsCreateRequest":[]}'
        return self._right(lambda: self._ask("POST", "/sales/v1/transactions", content))

    def may_delete(self) -> RightAnswer:
        """Whether transactions may be deleted, asked with an id that was drawn just now."""
        path = f"/sales/v1/transactions/{uuid.uuid4()}"
        return self._right(lambda: self._ask("DELETE", path, None))

    def _ask(self, method: str, path: str, content: bytes | None) -> Answer | NoAnswer:
        headers = {**JSON_HEADERS, **self._headers()} if content else self._headers()
        return self._http.exchange(method, path, headers=headers, content=content)

    def _right(self, ask: Callable[[], Answer | NoAnswer]) -> RightAnswer:
        try:
            answer = ask()
        except CredentialsRefused as error:
            return RightAnswer(Right.REFUSED, str(error))
        except TryLater as error:
            return RightAnswer(Right.UNKNOWN, str(error))
        if isinstance(answer, NoAnswer):
            return RightAnswer(Right.UNKNOWN, answer.reason)
        said = f"{answer.status} {wire.error_text(answer)}"
        if answer.status in (401, 403):
            return RightAnswer(Right.REFUSED, said)
        # It looked at the request itself, and so has let the key pass.
        looked = answer.status in (400, 404, 409, 422) or wire.is_base_response(answer)
        return RightAnswer(Right.GIVEN if looked else Right.UNKNOWN, said)


def _refusal(status: int, text: str) -> TillbridgeError:
    if status in (401, 403):
        return CredentialsRefused(
            text, "Use an API key, or an app with the scope sales_data.write, in [connecteam]."
        )
    if status == 429:
        return TryLater(text, "Try again in a minute.")
    return NeedsPerson(text, "Choose another name, or create it in Connecteam.")
