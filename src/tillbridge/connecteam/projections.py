"""Projected sales at Connecteam: read, and set by PUT. A PUT replaces a day's figure and nothing
else, so that it may be repeated as often as one likes; it never touches a transaction or a total.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from tillbridge.connecteam import wire
from tillbridge.connecteam.client import JSON_HEADERS, Headers
from tillbridge.connecteam.wire import DayFigures
from tillbridge.errors import CredentialsRefused, NeedsPerson, TillbridgeError, TryLater
from tillbridge.http import Answer, Http, NoAnswer


@dataclass(frozen=True, slots=True)
class Told:
    """What came back: the days, or the error that explains why there are none; and the headers."""

    days: list[DayFigures]
    error: TillbridgeError | None
    headers: Mapping[str, str]
    throttled: bool = False


class Projections:
    """Reads and sets projected sales.

    Args:
        http: the pool.
        headers: authentication, asked anew for each request.
    """

    def __init__(self, http: Http, headers: Headers) -> None:
        self._http = http
        self._headers = headers

    def read(self, location_ids: Sequence[int], first: date, last: date) -> Told:
        """Totals and projected sales of these locations, first and last day included."""
        query: list[tuple[str, str | int]] = [
            ("startDate", first.isoformat()),
            ("endDate", last.isoformat()),
            *(("locationIds", location_id) for location_id in location_ids),
        ]
        try:
            headers = self._headers()
        except (CredentialsRefused, TryLater) as error:
            return Told([], error, {})
        answer = self._http.exchange("GET", "/sales/v1/daily-sales", params=query, headers=headers)
        return self._judge(answer, "give the projected sales", None)

    def set(self, location_id: int, amounts: Mapping[date, int], currency: str) -> Told:
        """Set a location's days, in one request.

        Args:
            location_id: Connecteam's id.
            amounts: minor units by day.
            currency: gives the minor unit.
        """
        assert amounts
        try:
            headers = {**JSON_HEADERS, **self._headers()}
        except (CredentialsRefused, TryLater) as error:
            return Told([], error, {})
        answer = self._http.exchange(
            "PUT",
            f"/sales/v1/locations/{location_id}/daily-sales",
            headers=headers,
            content=wire.encode_projections(amounts, currency),
        )
        return self._judge(answer, "set the projected sales", location_id)

    def _judge(self, answer: Answer | NoAnswer, task: str, location_id: int | None) -> Told:
        if isinstance(answer, NoAnswer):
            return Told([], self._later(f"could not be reached to {task}: {answer.reason}"), {})
        decode = wire.decode_figures if location_id is None else wire.decode_updated
        try:
            return Told(decode(answer), None, answer.headers)
        except wire.UnreadableTotals as problem:
            reason = str(problem)
        error: TillbridgeError = self._later(f"could not {task}: {reason}")
        if answer.status in (401, 403):
            error = CredentialsRefused(
                f"Connecteam ({self._http.host}) refused the credentials when asked to {task}: "
                f"{reason}.",
                "Put an API key with the right to write sales data where [connecteam] names it.",
            )
        elif answer.status in (400, 404, 409, 422):
            error = NeedsPerson(
                f"Connecteam ({self._http.host}) refused to {task} of location {location_id}: "
                f"{reason}.",
                "Compare connecteam_id with `tillbridge locations list`.",
            )
        return Told([], error, answer.headers, throttled=answer.status == 429)

    def _later(self, what: str) -> TryLater:
        return TryLater(
            f"Connecteam ({self._http.host}) {what}.",
            "Run it again later; repeating it is harmless.",
        )
