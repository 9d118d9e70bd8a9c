"""What the client sends, how often it tries, and what each kind of answer means."""

import json
import random
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta, timezone

import httpx
import pytest

from tillbridge.errors import CredentialsRefused, NeedsPerson, TillbridgeError, TryLater
from tillbridge.http import Http, Timeouts
from tillbridge.lightspeed.client import LightspeedClient, NotOperationalBefore

START = datetime(2026, 11, 1, 13, 0, 0, 123999, tzinfo=timezone(timedelta(hours=1)))
END = datetime(2026, 11, 2, tzinfo=UTC)
NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
EMPTY = httpx.Response(200, json={"sales": []})


class HeldClock:
    """Time that moves only by sleeping."""

    boot_id = "boot"

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return NOW + timedelta(seconds=sum(self.slept))

    def boot_s(self) -> float:
        return 1000.0 + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Tokens:
    """Gives token-1, then a new one for each that is turned away."""

    def __init__(self) -> None:
        self.rejected: list[str] = []

    def access_token(self, *, force: bool = False, rejected: str = "") -> str:
        if rejected:
            self.rejected.append(rejected)
        return f"token-{1 + len(self.rejected)}"


class Lightspeed:
    """Gives the prepared answers in turn, the last one for ever; keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.requests: list[httpx.Request] = []
        self.clock = HeldClock()
        self.tokens = Tokens()
        self._answers = list(answers)
        self.http = Http(
            "https://api.example.test",
            timeouts=Timeouts(connect_s=1, total_s=1),
            max_connections=2,
            user_agent="test",
            transport=httpx.MockTransport(self._answer),
        )
        self.client = LightspeedClient(self.http, self.tokens, self.clock, random.Random(1))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def lightspeed() -> Iterable[Callable[..., Lightspeed]]:
    made: list[Lightspeed] = []

    def make(*answers: httpx.Response | Exception) -> Lightspeed:
        made.append(Lightspeed(*answers))
        return made[-1]

    yield make
    for one in made:
        one.http.close()


def first_page(side: Lightspeed):
    return side.client.sales_page(45454565682155, START, END, None)


def failure(side: Lightspeed) -> TillbridgeError:
    with pytest.raises(TillbridgeError) as error:
        first_page(side)
    assert "api.example.test" in error.value.message
    assert "45454565682155" in error.value.message
    assert "\n" not in error.value.message
    assert error.value.remedy
    return error.value


def test_a_page_is_asked_for_in_utc_milliseconds_and_nothing_personal_with_it(lightspeed):
    side = lightspeed(EMPTY)
    first_page(side)
    (request,) = side.requests
    assert request.url.path == "/f/v2/business-location/45454565682155/sales"
    assert dict(request.url.params) == {
        "from": "2026-11-01T12:00:00.123Z",
        "to": "2026-11-02T00:00:00.000Z",
        "pageSize": "100",
    }
    assert request.headers["Authorization"] == "Bearer token-1"


def test_the_next_page_differs_only_by_its_token(lightspeed):
    side = lightspeed(EMPTY)
    first_page(side)
    side.client.sales_page(45454565682155, START, END, "a+b/c==")
    first, second = (dict(request.url.params) for request in side.requests)
    assert second == {**first, "nextPageToken": "a+b/c=="}


def test_a_moment_without_an_offset_is_a_bug_and_nothing_is_sent(lightspeed):
    side = lightspeed(EMPTY)
    with pytest.raises(ValueError, match="offset"):
        side.client.sales_page(1, datetime(2026, 11, 1), END, None)  # noqa: DTZ001
    assert side.requests == []


def test_a_day_is_asked_for_by_its_date(lightspeed):
    side = lightspeed(httpx.Response(200, json={"sales": [{}], "dataComplete": True}))
    day = side.client.sales_day(7, date(2026, 11, 1))
    assert side.requests[0].url.path == "/f/v2/business-location/7/sales-daily"
    assert dict(side.requests[0].url.params) == {"date": "2026-11-01"}
    assert (len(day.sales), day.data_complete) == (1, True)


def test_all_pages_of_businesses_are_read(lightspeed):
    def page(name: str) -> httpx.Response:
        body = {"_embedded": {"businessList": [{"businessName": name}]}, "page": {"totalPages": 2}}
        return httpx.Response(200, json=body)

    side = lightspeed(page("a"), page("b"))
    assert [business.name for business in side.client.businesses()] == ["a", "b"]
    assert [request.url.params["page"] for request in side.requests] == ["0", "1"]


@pytest.mark.parametrize(
    "passing",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.ReadTimeout("late"),
        httpx.Response(429),
        httpx.Response(500, json={"error": "oops"}),
        httpx.Response(502, text="<html>"),
    ],
)
def test_a_failure_that_can_pass_is_tried_again(lightspeed, passing):
    side = lightspeed(passing, passing, passing, EMPTY)
    assert first_page(side).sales == []
    assert len(side.requests) == 4
    assert all(0 <= pause <= most for pause, most in zip(side.clock.slept, (1, 2, 4), strict=True))
    assert len(set(side.clock.slept)) == 3  # spread, not in step
    assert side.tokens.rejected == []


@pytest.mark.parametrize("passing", [httpx.ReadError("reset"), httpx.Response(503)])
def test_after_four_tries_it_is_later(lightspeed, passing):
    side = lightspeed(passing)
    assert isinstance(failure(side), TryLater)
    assert len(side.requests) == 4


def test_the_request_id_is_in_the_message(lightspeed):
    body = {"status": 500, "error": "Internal Server Error", "requestId": "7f3a"}
    error = failure(lightspeed(httpx.Response(500, json=body)))
    assert "answered 500, Internal Server Error (request id 7f3a)." in error.message


def test_a_wait_that_is_asked_for_in_seconds_is_kept(lightspeed):
    side = lightspeed(httpx.Response(429, headers={"Retry-After": "17"}), EMPTY)
    first_page(side)
    assert side.clock.slept == [17.0]


def test_a_wait_that_is_asked_for_as_a_date_is_kept(lightspeed):
    until = {"Retry-After": "Tue, 03 Nov 2026 12:00:42 GMT"}
    side = lightspeed(httpx.Response(503, headers=until), EMPTY)
    first_page(side)
    assert side.clock.slept == [42.0]


def test_a_wait_of_more_than_a_minute_is_left_to_the_caller(lightspeed):
    side = lightspeed(httpx.Response(429, headers={"Retry-After": "3600"}))
    error = failure(side)
    assert isinstance(error, TryLater)
    assert error.retry_after_s == 3600.0
    assert (len(side.requests), side.clock.slept) == (1, [])


def test_all_waits_together_stay_within_a_minute(lightspeed):
    side = lightspeed(httpx.Response(429, headers={"Retry-After": "25"}))
    assert isinstance(failure(side), TryLater)
    assert side.clock.slept == [25.0, 25.0]


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_turned_away_is_renewed_once(lightspeed, status):
    side = lightspeed(httpx.Response(status), EMPTY)
    first_page(side)
    assert side.tokens.rejected == ["token-1"]
    sent = [request.headers["Authorization"] for request in side.requests]
    assert sent == ["Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_second_refusal_names_the_rights_that_may_be_missing(lightspeed, status):
    side = lightspeed(httpx.Response(status, json={"error": "insufficient_scope"}))
    error = failure(side)
    assert isinstance(error, CredentialsRefused)
    assert "insufficient_scope" in error.message
    assert "report rights" in error.remedy
    assert "financial-api" in error.remedy
    assert len(side.requests) == 2


def test_a_start_before_the_location_existed_names_its_first_moment(lightspeed):
    text = (
        "Invalid 'from' date query parameter. The requested business location was not operational "
        "on the provided date.\nPlease specify a date and time after: 2026-03-04T05:00:00+01:00, "
        "which is the earliest available date for this location.\n"
    )
    error = failure(lightspeed(httpx.Response(400, json={"error": text})))
    assert isinstance(error, NotOperationalBefore)
    assert error.earliest == datetime(2026, 3, 4, 4, tzinfo=UTC)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_another_refusal_needs_a_person_and_is_not_repeated(lightspeed, status):
    side = lightspeed(httpx.Response(status, json={"error": "Invalid date range"}))
    error = failure(side)
    assert isinstance(error, NeedsPerson)
    assert "Invalid date range" in error.message
    assert len(side.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Welcome to the hotel's wireless network"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"sales": "none"}),
        httpx.Response(302, headers={"Location": "https://elsewhere.example.test"}),
        httpx.Response(204),
    ],
)
def test_an_answer_that_is_no_page_is_tried_later_and_not_at_once(lightspeed, answer):
    side = lightspeed(answer)
    assert isinstance(failure(side), TryLater)
    assert len(side.requests) == 1


def test_broken_sales_come_with_the_page(lightspeed):
    sales = [{"accountReference": "a", "timeClosed": "x"}, {"accountReference": "b"}]
    side = lightspeed(httpx.Response(200, content=json.dumps({"sales": sales})))
    page = first_page(side)
    assert [sold.reference for sold in page.sales] == ["b"]
    assert [broken.reference for broken in page.broken] == ["a"]
