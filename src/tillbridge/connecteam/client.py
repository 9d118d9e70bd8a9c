"""Connecteam's Sales Data API, one method per request. Nothing here tries a write again.

Every method tells what came back as a value; only refused credentials on a read are raised.
Reads may be tried again, by the caller's schedule; a POST never, because a lost answer proves
nothing (see outcome.py).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import quote

from tillbridge.connecteam import wire
from tillbridge.errors import CredentialsRefused, TryLater
from tillbridge.http import Answer, Http, NoAnswer
from tillbridge.money import minor_digits, to_minor
from tillbridge.outcome import OtherAnswer, Shape, Silence
from tillbridge.sale import Transaction

JSON_HEADERS = {"Content-Type": "application/json"}

Headers = Callable[[], Mapping[str, str]]
"""Gives the headers that authenticate a request."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What came back from a POST: its shape, the vendor's id of the request, its headers."""

    shape: Shape
    request_id: str | None
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Totals:
    """Minor units by location and day; every day asked for is there."""

    by_location: dict[int, dict[date, int]]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NoEvidence:
    """The totals could not be read; that says nothing about what Connecteam holds.

    Attributes:
        throttled: for the sake of the rate limit.
        refused: for the sake of the credentials.
        wrong: the request itself was found wrong: a location that does not exist, or too many
            days.
    """

    reason: str
    headers: Mapping[str, str]
    throttled: bool = False
    refused: bool = False
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Deleted:
    """What came of a delete.

    Attributes:
        status: 200 if acknowledged, 404 if there was no such transaction, 0 if unanswered, else
            the status.
        reason: for a person.
        not_sent: no connection was made.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    not_sent: bool = False
    request_id: str | None = None


class ConnecteamClient:
    """Talks to one Connecteam account.

    Args:
        http: the pool; its host is named in messages.
        headers: authentication, asked anew for each request.
    """

    def __init__(self, http: Http, headers: Headers) -> None:
        self._http = http
        self._headers = headers

    @property
    def host(self) -> str:
        return self._http.host

    def post(self, rows: Sequence[Transaction]) -> Posted:
        """Send one batch, once."""
        content = wire.encode_transactions(rows)
        try:
            headers = {**JSON_HEADERS, **self._headers()}
        except CredentialsRefused as error:
            return Posted(OtherAnswer(401, str(error)), None, {})
        except TryLater as error:
            return Posted(Silence(not_sent=True, reason=str(error)), None, {})
        answer = self._http.exchange(
            "POST", "/sales/v1/transactions", headers=headers, content=content
        )
        if isinstance(answer, NoAnswer):
            return Posted(Silence(answer.not_sent, self._silence(answer)), None, {})
        self._turned_away(answer)  # a write is not sent again here: the next pass has a new token
        shape, request_id = wire.decode_post(answer)
        return Posted(shape, request_id, answer.headers)

    def totals(self, currencies: Mapping[int, str], first: date, last: date) -> Totals | NoEvidence:
        """Read daily totals of several locations in one request.

        Args:
            currencies: {location id: currency}; the currency gives the minor unit.
            first: first day.
            last: last day, included.
        """
        query: list[tuple[str, str | int]] = [
            ("startDate", first.isoformat()),
            ("endDate", last.isoformat()),
            *(("locationIds", location_id) for location_id in currencies),
        ]
        try:
            headers = self._headers()
        except (CredentialsRefused, TryLater) as error:
            return NoEvidence(str(error), {}, refused=isinstance(error, CredentialsRefused))
        answer = self._http.exchange("GET", "/sales/v1/daily-sales", params=query, headers=headers)
        if self._turned_away(answer):
            try:
                headers = self._headers()
            except (CredentialsRefused, TryLater) as error:
                return NoEvidence(str(error), {}, refused=isinstance(error, CredentialsRefused))
            answer = self._http.exchange(
                "GET", "/sales/v1/daily-sales", params=query, headers=headers
            )
        if isinstance(answer, NoAnswer):
            return NoEvidence(self._silence(answer), {})
        try:
            rows = wire.decode_totals(answer)
        except wire.UnreadableTotals as problem:
            return NoEvidence(
                str(problem),
                answer.headers,
                throttled=answer.status == 429,
                wrong=answer.status in (400, 404, 422),
                refused=answer.status in (401, 403),
            )
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        found = {location_id: dict.fromkeys(days, 0) for location_id in currencies}
        for location_id, day, total in rows:
            if location_id in found and day in found[location_id]:
                digits = minor_digits(currencies[location_id])
                found[location_id][day] += to_minor(total, digits)
        return Totals(found, answer.headers)

    def delete_one(self, transaction_id: str) -> Deleted:
        """Remove one transaction."""
        # An empty id, one with a `?` in it, or dots that lead elsewhere could turn this into the
        # delete of a whole period.
        assert transaction_id.strip(".")
        return self._delete(f"/sales/v1/transactions/{quote(transaction_id, safe='')}", {})

    def delete_window(self, location_id: int, start_s: int, end_s: int) -> Deleted:
        """Remove everything in a period; whether its ends belong to it is not documented."""
        return self._delete(
            "/sales/v1/transactions",
            {"locationId": location_id, "startTime": start_s, "endTime": end_s},
        )

    def _delete(self, path: str, params: Mapping[str, str | int]) -> Deleted:
        try:
            headers = self._headers()
        except (CredentialsRefused, TryLater) as error:
            return Deleted(0, str(error), {}, not_sent=True)
        answer = self._http.exchange("DELETE", path, params=params, headers=headers)
        if isinstance(answer, NoAnswer):
            return Deleted(0, self._silence(answer), {}, not_sent=answer.not_sent)
        self._turned_away(answer)
        # A 200 that is not the documented document proves as little as no answer at all.
        status = answer.status if answer.status != 200 or wire.is_base_response(answer) else 0
        reason = f"{answer.status}: {wire.error_text(answer)}"
        return Deleted(status, reason, answer.headers, request_id=wire.request_id(answer))

    def locations(self) -> list[wire.Location]:
        """All locations of the account.

        Raises:
            TryLater: no usable answer.
            CredentialsRefused: the key or its scope.
        """
        found: dict[int, wire.Location] = {}
        while True:
            page = self._locations_page(len(found))
            news = {place.id: place for place in page if place.id not in found}
            found |= news
            # A server that takes no notice of the offset repeats its first page for ever.
            if len(page) < 1000 or not news:
                return list(found.values())

    def _locations_page(self, offset: int) -> list[wire.Location]:
        params = {"limit": 1000, "offset": offset}
        path = "/sales/v1/locations"
        answer = self._http.exchange("GET", path, params=params, headers=self._headers())
        if self._turned_away(answer):
            answer = self._http.exchange("GET", path, params=params, headers=self._headers())
        self.require(answer, "list the locations")
        assert isinstance(answer, Answer)
        page = wire.decode_locations(answer)
        if page is None:
            raise TryLater(
                f"Connecteam ({self.host}) answered the request for its locations with "
                f"{wire.error_text(answer)}.",
                "Try again later; if it stays, check [connecteam] base_url.",
            )
        return page

    def _silence(self, answer: NoAnswer) -> str:
        return f"{self.host}: {answer.reason}"

    def _turned_away(self, answer: Answer | NoAnswer) -> bool:
        """Whether the access token was refused and another one may be accepted."""
        if isinstance(answer, NoAnswer) or answer.status not in (401, 403):
            return False
        forget = getattr(self._headers, "forget", None)
        return forget is not None and bool(forget())

    def require(self, answer: Answer | NoAnswer, task: str) -> None:
        """Raise the right error unless the answer is a 200."""
        if isinstance(answer, NoAnswer):
            raise TryLater(
                f"Connecteam ({self.host}) could not be reached to {task}: {answer.reason}.",
                f"{answer.remedy} Then try again.".strip(),
            )
        if answer.status in (401, 403):
            said = wire.error_text(answer)
            remedy = (
                "Give the app that scope: make one with sales_data.read, sales_data.write and "
                "sales_data.delete in Connecteam, and put it under [connecteam]."
                if "scope" in said.lower()
                else "Create a new API key in Connecteam (Settings, API keys), put it where "
                "[connecteam] names it, and restart tillbridge. Australian accounts need "
                'region = "australia".'
            )
            raise CredentialsRefused(
                f"Connecteam ({self.host}) refused the credentials when asked to {task}: "
                f"{answer.status} {said}.",
                remedy,
            )
        if answer.status != 200:
            raise TryLater(
                f"Connecteam ({self.host}) could not {task}: {answer.status} "
                f"{wire.error_text(answer)}.",
                "Try again later.",
            )
