"""A backfill where answers take their time: what is under way at once, with real threads.

Nothing is measured: the vendors hold their answers until enough requests are under way, so that a
bridge that asks for one thing after the other never gets on.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Condition

import httpx
import pytest
from sqlalchemy import delete, func, insert, select

from bench.vendor import LOCATION, TARGET, Vendors
from tillbridge.backfill import READ_AHEAD, Progress
from tillbridge.batcher import MAX_ROWS
from tillbridge.clock import SystemClock
from tillbridge.config import parse
from tillbridge.ledger import parts
from tillbridge.ledger.schema import backfill, batch, sale
from tillbridge.ledger.store import Ledger
from tillbridge.lightspeed.tokens import TokenFile, TokenState, token_path
from tillbridge.lock import PostingLock
from tillbridge.planning import PLAN_ROWS
from tillbridge.sides import Transports
from tillbridge.states import PartState, SaleState
from tillbridge.wiring import POSTS_AT_ONCE, Bridge

PATIENCE_S = 10.0
"""So long the first held answer waits for company that never comes; then the test fails."""


class Held(httpx.BaseTransport):
    """The benchmark's vendors, whose answers can be held back."""

    def __init__(self, sales: int, days: int) -> None:
        self.vendors = Vendors({"sales": sales, "days": days, "bytes_a_sale": 800})
        self.begun: Counter[str] = Counter()
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.alone = 0
        self.changed = Condition()
        self.until: Callable[[str, int], bool] = lambda _what, _number: True
        self.fails: set[int] = set()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        target = request.url.raw_path.decode()
        what = "page" if "/f/v2/" in target else "post" if request.method == "POST" else "totals"
        what = "token" if target.endswith("/token") else what
        with self.changed:
            self.begun[what] += 1
            number = self.begun[what]
            self.under_way[what] += 1
            self.most[what] = max(self.most[what], self.under_way[what])
            self.changed.notify_all()
            # Looked at again in between: what is waited for may be in the ledger.
            end = PATIENCE_S
            while not self.alone and not self.until(what, number) and end > 0:
                self.changed.wait(0.02)
                end -= 0.02
            self.alone += end <= 0
            self.under_way[what] -= 1
            if what == "post" and number in self.fails:
                return httpx.Response(502, text="bad gateway")
            status, _, body, _ = self.vendors.answer(request.method, target, request.read())
        return httpx.Response(status, content=body)


class Home:
    """A ledger, and the bridges on it, one after the other."""

    def __init__(self, folder: Path, vendor: Held, when_unclear: str) -> None:
        self.clock, self.vendor = SystemClock(), vendor
        self.ledger = Ledger(folder / "ledger.db", self.clock)
        self.lock = PostingLock(self.ledger.path)
        self.first = datetime.fromtimestamp(vendor.vendors.shop.start_ms / 1000, UTC).date()
        TokenFile(token_path(self.ledger.path)).write(_signed_in(self.clock))
        self.config = parse({
            "config_version": 1,
            "name": "Overlap",
            "lightspeed": {"client_id": "id", "client_secret": "a-secret", "max_concurrency": 4},
            "connecteam": {"api_key": "a-key", "minute_limit": 10**6, "day_limit": 10**6},
            "ledger": {"path": str(self.ledger.path)},
            "locations": [{
                "name": "Harbour", "lightspeed_id": LOCATION, "connecteam_id": TARGET,
                "timezone": "UTC", "currency": "GBP", "exclusive": True, "start": date(2040, 1, 1),
                "when_unclear": when_unclear,
            }],
        }).config  # fmt: skip

    def bridge(self, *, posts: bool = True) -> Bridge:
        if posts:
            assert self.lock.try_acquire()
        way = Transports(self.vendor, self.vendor, self.vendor)
        bridge = Bridge(self.config, self.ledger, self.lock, {}, self.clock, transports=way)
        if posts:
            bridge.begin_posting()
        return bridge

    def backfill(self, *, posts: bool = True, most_pages: int = 10**6) -> Progress:
        bridge = self.bridge(posts=posts)
        job = bridge.make_backfill(bridge.histories(self.first, None, []))
        told: list[Progress] = []
        for progress in job.run(lambda: len(told) >= most_pages):
            told.append(progress)  # noqa: PERF402  # the length is looked at in between
        bridge.close()
        self.lock.release()
        return told[-1]

    def states(self) -> Counter[str]:
        with self.ledger.view() as view:
            return Counter(view.execute(select(sale.c.state)).scalars())

    def batches(self) -> int:
        with self.ledger.view() as view:
            return int(view.execute(select(func.count()).select_from(batch)).scalar_one())

    def slices(self) -> set[tuple[int, int]]:
        with self.ledger.view() as view:
            rows = view.execute(select(backfill.c.start_ms, backfill.c.end_ms))
            return {(row[0], row[1]) for row in rows}

    def open_states(self) -> list[str]:
        with self.ledger.view() as view:
            return [row.state for row in parts.open_parts(view)]


def _signed_in(clock: SystemClock) -> TokenState:
    now = clock.now()
    return TokenState(
        refresh_token="refresh-0", access_token="access-0", issued_at=now, obtained_at=now,
        issued_boot_s=clock.boot_s(), boot_id=clock.boot_id, lifetime_s=86_400.0,
        refresh_expires_at=now + timedelta(days=30),
    )  # fmt: skip


Make = Callable[..., tuple[Held, Home]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    homes: list[Home] = []

    def made(sales: int, days: int, when_unclear: str = "replace") -> tuple[Held, Home]:
        vendor = Held(sales, days)
        homes.append(Home(tmp_path, vendor, when_unclear))
        return vendor, homes[-1]

    yield made
    for home in homes:
        home.ledger.close()


def assert_all_arrived(vendor: Held, home: Home, sales: int) -> None:
    assert home.states() == {SaleState.POSTED: sales}
    assert (vendor.vendors.rows, vendor.vendors.cents) == (sales, vendor.vendors.shop.cents())


def test_a_few_dense_days_are_read_side_by_side_and_no_more_at_once_than_allowed(make: Make):
    vendor, home = make(1500, 3)
    # Two slices, each of which is halved once its first page has told how much there is.
    vendor.until = lambda what, number: (
        what != "page" or vendor.most["page"] >= (2 if number <= 2 else 4)
    )
    home.backfill()
    assert vendor.alone == 0
    assert vendor.most["page"] == 4
    assert vendor.most["post"] <= POSTS_AT_ONCE
    assert_all_arrived(vendor, home, 1500)


def test_sales_that_were_all_closed_at_once_are_read_and_that_ends(make: Make):
    vendor, home = make(450, 3)
    vendor.vendors.shop.step_ms = 1  # a page of them spans a tenth of a second
    assert home.backfill(most_pages=50).done_share == 1.0
    assert vendor.begun["page"] < 20
    assert_all_arrived(vendor, home, 450)


def test_posting_begins_when_some_full_requests_have_been_read(make: Make):
    vendor, home = make(1500, 3)
    vendor.until = lambda what, number: (what, number) != ("page", 8) or vendor.begun["post"] > 0
    home.backfill()
    assert vendor.alone == 0
    assert_all_arrived(vendor, home, 1500)


def test_it_is_planned_again_while_a_request_flies(make: Make):
    sales, of_next_plan = PLAN_ROWS + 800, PLAN_ROWS // MAX_ROWS + 1
    vendor, home = make(sales, 3)
    home.backfill(posts=False)
    vendor.until = lambda what, number: (
        (what, number) != ("post", 3) or vendor.begun["post"] >= of_next_plan
    )
    home.backfill()
    assert vendor.alone == 0
    assert vendor.most["post"] <= POSTS_AT_ONCE
    assert_all_arrived(vendor, home, sales)


def test_once_all_is_read_the_rest_goes_out_beside_what_still_flies(make: Make):
    vendor, home = make(250, 1)
    vendor.until = lambda what, number: (what, number) != ("post", 1) or vendor.begun["post"] >= 3
    home.backfill()
    assert vendor.alone == 0
    assert_all_arrived(vendor, home, 250)


def test_where_a_window_may_not_be_replaced_one_request_is_under_way_at_a_time(make: Make):
    vendor, home = make(700, 3, when_unclear="hold")
    home.backfill()
    assert vendor.most["post"] == 1
    assert_all_arrived(vendor, home, 700)


def test_after_an_unclear_answer_nothing_joins_what_still_flies(make: Make):
    vendor, home = make(1800, 3)
    home.backfill(posts=False)
    vendor.fails = {3}
    begun: list[int] = []

    def until(what: str, number: int) -> bool:
        if (what, number) == ("post", 2) and not begun and PartState.DOUBT in home.open_states():
            begun.append(home.batches())
        return (what, number) != ("post", 2) or bool(begun)

    vendor.until = until
    home.backfill()
    assert vendor.alone == 0
    assert begun == [home.batches()]
    assert home.states()[SaleState.IN_DOUBT] <= 100


def test_a_reading_that_ran_ahead_goes_on_as_soon_as_an_answer_makes_room(make: Make):
    vendor, home = make(4000, 3)
    pages: list[int] = []

    def until(what: str, number: int) -> bool:
        if what != "post" or number > POSTS_AT_ONCE:
            return True
        if number > 1:  # these stay under way, so the delivery goes on, too
            return bool(pages) and vendor.begun["page"] > pages[0] + 4
        if not pages and home.states()[SaleState.WAITING] >= READ_AHEAD:
            pages.append(vendor.begun["page"])
        return bool(pages)

    vendor.until = until
    home.backfill()
    assert vendor.alone == 0
    assert_all_arrived(vendor, home, 4000)


def test_interrupted_it_finds_its_slices_again_and_reads_only_the_rest(make: Make):
    vendor, home = make(3000, 4)
    home.backfill(posts=False, most_pages=25)
    before, slices = vendor.begun["page"], home.slices()
    home.backfill()
    went_on = vendor.begun["page"] - before
    assert home.slices() == slices
    assert_all_arrived(vendor, home, 3000)
    home.backfill()  # all was done, so all is read anew, and found to be there
    assert went_on <= vendor.begun["page"] - before - went_on - (25 - 4)
    assert_all_arrived(vendor, home, 3000)


def test_a_backfill_begun_in_weeks_loses_and_doubles_nothing(make: Make):
    vendor, home = make(3000, 3)
    home.backfill(most_pages=10)
    begun = home.states()[SaleState.POSTED]
    assert 0 < begun < 3000
    start_ms = min(home.slices())[0]
    with home.ledger.commit() as commit:
        commit.execute(delete(backfill))
        commit.execute(insert(backfill).values(
            location_id=1, start_ms=start_ms, end_ms=start_ms + 7 * 86_400_000,
            cursor_ms=start_ms + 40_000_000, done=False,
        ))  # fmt: skip
    home.backfill()
    assert_all_arrived(vendor, home, 3000)


def test_only_the_parts_that_may_have_company_leave_their_location_open(make: Make):
    _, home = make(700, 1)
    home.backfill(posts=False)
    bridge = home.bridge()
    planner = bridge.delivery._planner
    first = planner.plan(frozenset(), {}).batches[0]
    with home.ledger.commit() as commit:
        (part_id,) = parts.begin(commit, first, bridge.account.moment(), alone=set()).part_ids

    def open_with(under_way: dict[int, set[int]]) -> bool:
        return bool(planner.plan(frozenset(), under_way).batches)

    assert open_with({TARGET: {part_id}})
    assert not open_with({})
    assert not open_with({TARGET: {part_id + 1}})
    with home.ledger.commit() as commit:
        parts.move_rows(commit, part_id, SaleState.SENDING, SaleState.IN_DOUBT)
        row = parts.get(commit, part_id)
        parts.set_state(commit, row, PartState.DOUBT, bridge.account.moment())
    assert not open_with({TARGET: {part_id}})
    bridge.close()
