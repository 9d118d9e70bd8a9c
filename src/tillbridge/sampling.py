"""How many sales a location has on a day, from a few short looks at Lightspeed's.

For a backfill's plan, where the ledger knows no sale of the location yet.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from tillbridge.backfill import History
from tillbridge.days import local_date, start_of_day
from tillbridge.lightspeed.client import NotOperationalBefore
from tillbridge.reader import Pages

SAMPLES = 8
_LENGTH = timedelta(days=1) / SAMPLES
"""With four samples of six hours, a first page full of an evening's beginning stood for all of that
evening and the night: up to two and a half times the sales that there were."""


def sales_per_day(pages: Pages, history: History, at_once: int) -> float:
    """Sales of a day put together from hours of different days: the first hours of the first days
    of the period, the last hours of its last.

    One page at most is read for each sample, so that it costs next to nothing; where more sales
    closed in those hours, the page's own pace stands for them.

    Args:
        pages: Lightspeed.
        history: where, and the period.
        at_once: most requests at once.

    Raises:
        TillbridgeError: Lightspeed does not tell.
    """

    def look(number: int) -> float:
        begin = _hours(history, number)
        try:
            page = pages.sales_page(history.source.lightspeed_id, begin, begin + _LENGTH, None)
        except NotOperationalBefore:
            return 0.0
        stamps = [one.closed for one in page.sales if one.closed]
        if not page.next_token or len(stamps) < 2 or stamps[-1] <= stamps[0]:
            return float(len(page.sales) + len(page.broken))
        return len(stamps) * (_LENGTH / (stamps[-1] - stamps[0]))

    with ThreadPoolExecutor(at_once) as pool:
        return sum(pool.map(look, range(SAMPLES)))


def _hours(history: History, number: int) -> datetime:
    """The beginning of one of the samples: together they make up a day."""
    zone = history.source.rules.zone
    moment = history.period.start + (2 * number + 1) * (history.end - history.period.start) / (
        2 * SAMPLES
    )
    begin = start_of_day(local_date(moment, zone), zone) + number * _LENGTH
    return begin - timedelta(days=1) if begin + _LENGTH > history.end else begin
