"""Reading from Lightspeed: one address, one answer, decoded; and the tries that a read may have.

Reads change nothing at Lightspeed, so they may be tried again, a few times and for a minute at
most. Never here: paging, windows and cursors (the sync), JSON (`wire`), tokens (`oauth`).
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Protocol, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_result

from tillbridge.clock import Clock
from tillbridge.errors import CredentialsRefused, NeedsPerson, TillbridgeError, TryLater
from tillbridge.http import Answer, Http, NoAnswer
from tillbridge.lightspeed.complaints import earliest_date, error_text, retry_after_s
from tillbridge.lightspeed.courtesy import Courtesy
from tillbridge.lightspeed.wire import (
    Business,
    Day,
    Page,
    decode_businesses,
    decode_day,
    decode_page,
)
from tillbridge.log import redact

PAGE_SIZE = 100  # the most that Lightspeed allows
_MOST_TRIES = 4
_MOST_SECONDS = 60.0  # for all tries of one read; also the longest pause that we wait out
_FIRST_PAUSE_S = 1.0
_MOST_BUSINESS_PAGES = 50  # of 1,000 businesses each

_Decoded = TypeVar("_Decoded")


class Tokens(Protocol):
    """What the client needs of an `Authenticator`."""

    def access_token(self, *, force: bool = False, rejected: str = "") -> str: ...


class NotOperationalBefore(TillbridgeError):
    """The location has no data before `earliest` (aware): read on from there."""

    def __init__(self, message: str, earliest: datetime) -> None:
        super().__init__(message, "Reading goes on from that date by itself.")
        self.earliest = earliest


@dataclass(frozen=True, slots=True)
class _Request:
    """`wish` completes the sentence "Lightspeed could not give ..."."""

    wish: str
    path: str
    params: Mapping[str, str | int]


class LightspeedClient:
    """One per process; safe for several threads.

    Args:
        http: reaches the API's host.
        tokens: gives access tokens.
        clock: waits between tries.
        rng: spreads the tries, so that several installations do not knock in step.
        most_tries: of one read.
        max_in_flight: most requests at once, while Lightspeed does not complain.
    """

    def __init__(
        self,
        http: Http,
        tokens: Tokens,
        clock: Clock,
        rng: random.Random,
        most_tries: int = _MOST_TRIES,
        max_in_flight: int = 8,
    ) -> None:
        self.courtesy = Courtesy(max_in_flight, clock, _MOST_SECONDS)
        self._most_tries = most_tries
        self._http = http
        self._tokens = tokens
        self._clock = clock
        self._rng = rng

    def sales_page(
        self, location_id: int, start: datetime, end: datetime, token: str | None
    ) -> Page:
        """One page of the sales closed from `start` to `end`, oldest first.

        Args:
            location_id: Lightspeed's business location.
            start: aware; cut to whole milliseconds. The same on every page of a window.
            end: likewise. Whether sales at exactly `start` or `end` belong is not documented.
            token: `next_token` of the page before; None for the first page.

        Raises:
            NotOperationalBefore: `start` is before the location's first day.
            TryLater: Lightspeed does not answer usefully now.
            CredentialsRefused: the sign-in is not accepted, or lacks a right.
            NeedsPerson: Lightspeed refuses this request.
        """
        params: dict[str, str | int] = {
            "from": _stamp(start),
            "to": _stamp(end),
            "pageSize": PAGE_SIZE,
        }
        if token is not None:
            params["nextPageToken"] = token
        path = f"/f/v2/business-location/{location_id}/sales"
        wish = f"the sales of business location {location_id}"
        return self._get(_Request(wish, path, params), decode_page)

    def sales_day(self, location_id: int, day: date) -> Day:
        """Every sale of one business day. Raises as `sales_page`."""
        path = f"/f/v2/business-location/{location_id}/sales-daily"
        wish = f"the sales of {day.isoformat()} of business location {location_id}"
        return self._get(_Request(wish, path, {"date": day.isoformat()}), decode_day)

    def businesses(self) -> list[Business]:
        """Every business, with its locations, that the sign-in may see. Raises as `sales_page`."""
        found: list[Business] = []
        for number in range(_MOST_BUSINESS_PAGES):
            params = {"page": number, "size": 1000}
            request = _Request("the list of businesses", "/f/data/businesses", params)
            page = self._get(request, decode_businesses)
            found += page.businesses
            if number + 1 >= page.total_pages:
                return found
        raise NeedsPerson(
            f"Lightspeed ({self._http.host}) lists more businesses than tillbridge reads.",
            "Sign in as a user who sees fewer of them.",
        )

    def _get(self, request: _Request, decode: Callable[[bytes], _Decoded]) -> _Decoded:
        token = self._tokens.access_token()
        answer = self._read(request, token)
        if _turned_away(answer):
            # Seen as 401 and as 403 for an expired token alike, so both get one new token.
            answer = self._read(request, self._tokens.access_token(rejected=token))
        if isinstance(answer, NoAnswer):
            remedy = f"{answer.remedy} It is tried again by itself.".strip()
            raise TryLater(f"{self._failed(request)}: {redact(answer.reason)}.", remedy)
        if not 200 <= answer.status < 300:
            raise self._refusal(request, answer)
        try:
            return decode(answer.body)
        except TryLater as error:
            raise TryLater(
                f"{self._failed(request)}: {error.message}.", "It is tried again by itself."
            ) from error

    def _read(self, request: _Request, token: str) -> Answer | NoAnswer:
        """Try, and while it can pass, try again: at most 4 times and for about a minute."""
        started_s = self._clock.boot_s()
        first = self._ask(request, token)
        if not _may_pass(first):
            return first  # as nearly always, without what it takes to be ready for more

        answers = [first]

        def stop(state: RetryCallState) -> bool:
            spent_s = self._clock.boot_s() - started_s
            asked_s = self._asked_pause_s(_result(state)) or 0.0
            return state.attempt_number >= self._most_tries or spent_s + asked_s > _MOST_SECONDS

        tries = Retrying(
            stop=stop,
            wait=self._pause_s,
            retry=retry_if_result(_may_pass),  # the exchange returns failures, it raises none
            sleep=self._clock.sleep,
            retry_error_callback=_result,  # out of tries: the last answer is judged like any other
            reraise=True,
        )
        # To tenacity, the first try is one like the others.
        return tries(lambda: answers.pop() if answers else self._ask(request, token))

    def _ask(self, request: _Request, token: str) -> Answer | NoAnswer:
        """One exchange, when it is its turn; what the answer says holds for all others, too."""
        with self.courtesy.turn():
            answer = self._http.exchange(
                "GET",
                request.path,
                params=request.params,
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            )
        if isinstance(answer, Answer):
            asked_s = self._asked_pause_s(answer)
            self.courtesy.note(trouble=_may_pass(answer), asked_s=asked_s)
        return answer

    def _pause_s(self, state: RetryCallState) -> float:
        asked_s = self._asked_pause_s(_result(state))
        if asked_s is not None:
            return asked_s
        return self._rng.uniform(0.0, _FIRST_PAUSE_S * 2.0 ** (state.attempt_number - 1))

    def _asked_pause_s(self, answer: Answer | NoAnswer) -> float | None:
        return None if isinstance(answer, NoAnswer) else retry_after_s(answer, self._clock.now())

    def _refusal(self, request: _Request, answer: Answer) -> TillbridgeError:
        text = error_text(answer)
        message = f"{self._failed(request)}: it answered {answer.status}, {text}."
        earliest = earliest_date(text) if answer.status == 400 else None
        if earliest is not None:
            return NotOperationalBefore(message, earliest)
        if _turned_away(answer):
            return CredentialsRefused(
                message,
                "Run `tillbridge authorize` as a user with back-office and report rights for this "
                "location; the client needs the scope financial-api.",
            )
        if answer.status == 429 or answer.status >= 500 or answer.status < 400:
            pause_s = self._asked_pause_s(answer)
            return TryLater(message, "It is tried again by itself.", retry_after_s=pause_s)
        return NeedsPerson(
            message, "Check lightspeed_id and environment in the configuration, and the text above."
        )

    def _failed(self, request: _Request) -> str:
        return f"Lightspeed ({self._http.host}) could not give {request.wish}"


def _stamp(moment: datetime) -> str:
    """UTC with `Z`: a bare `+` in a query would have to be escaped."""
    if moment.tzinfo is None:
        raise ValueError("a moment needs an offset")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='milliseconds')}Z"


def _result(state: RetryCallState) -> Answer | NoAnswer:
    if state.outcome is None:
        raise RuntimeError("tenacity decides only after a try")
    result: Answer | NoAnswer = state.outcome.result()
    return result


def _may_pass(answer: Answer | NoAnswer) -> bool:
    return isinstance(answer, NoAnswer) or answer.status == 429 or answer.status >= 500


def _turned_away(answer: Answer | NoAnswer) -> bool:
    return isinstance(answer, Answer) and answer.status in {401, 403}
