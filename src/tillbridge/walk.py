"""Going through the pages of one window of Lightspeed's: what to ask next. Pure.

A page names the next one by a token, whose form is not documented. Published ones are the page's
last stamp, so that sales of one millisecond may repeat at the edge of two pages, or fall between
them; and a token may fail to get on.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from tillbridge.days import epoch_ms, from_epoch_ms
from tillbridge.lightspeed.paging import token_stamp
from tillbridge.lightspeed.wire import Page
from tillbridge.windows import EDGE

_WORTH_HALVING = 4
"""Pages that must be left of a window, at the pace of the last one, to read it in two halves: each
half costs half a page more."""


class RepeatedToken(Exception):
    """A page names one that was read already: going on would never end."""


class Step(NamedTuple):
    """A page that came.

    Attributes:
        page: still to be stored.
        last: of its window.
        tells_reach: nothing may be missing before its last stamp.
    """

    page: Page
    last: bool
    tells_reach: bool


class Walk:
    """Where the reading of a window stands.

    Args:
        start: the window's first moment, as asked for.
        end: its last.
        ahead: another walk reads what lies before, so that this one tells no cursor anything.
    """

    __slots__ = (
        "_asked_from",
        "_edge",
        "_repeats",
        "_tokens",
        "ahead",
        "end",
        "probe",
        "reached_ms",
        "start",
        "token",
    )

    def __init__(self, start: datetime, end: datetime, *, ahead: bool = False) -> None:
        self.start = start
        self.end = end
        self.ahead = ahead
        self.token: str | None = None
        self.probe: datetime | None = None  # an edge whose neighbours are to be read once more
        self.reached_ms: int | None = None
        self._tokens: set[str] = set()
        self._asked_from: set[datetime] = set()
        self._edge: datetime | None = None  # the last stamp of the page before, if a token is that
        self._repeats = False  # pages begin with the stamp that the page before ended with

    def step(self, page: Page) -> Step:
        """Take a page in; afterwards it is known what to ask next.

        Raises:
            RepeatedToken: see the class.
        """
        if self.probe is not None:
            self.probe = None
            return Step(page, last=self.token is None, tells_reach=False)
        if page.next_token in self._tokens:
            raise RepeatedToken
        self.probe = self._must_probe(page)
        self._advance(page)
        whole = self.probe is None
        return Step(page, last=whole and self.token is None, tells_reach=whole)

    def begin_later(self, earliest: datetime) -> bool:
        """Go on from the date that Lightspeed names; a second later if it names it once more.

        Returns:
            Whether that leads on.
        """
        if earliest in self._asked_from:
            earliest += EDGE
        if earliest in self._asked_from or self.token is not None:
            return False
        self._asked_from.add(earliest)
        self.start = earliest
        return True

    def halve(self, page: Page) -> "Walk | None":
        """Leave the second half of what is left after this page to another walk; None if that is
        not worth it, or where the page's order tells nothing.

        A page that spans no more than an edge tells no pace, and would come again with both halves,
        which begin an edge earlier: they would be halved in turn, without end.

        Both halves are windows of their own and read to their last pages, so that nothing rests on
        the order of the pages but where this walk begins anew: where a cursor would be, too.
        """
        stamps = [epoch_ms(sale.closed) for sale in page.sales if sale.closed]
        if page.broken or len(stamps) < len(page.sales) or stamps != sorted(stamps):
            return None
        span_ms = stamps[-1] - stamps[0] if stamps else 0
        if span_ms <= EDGE / timedelta(milliseconds=1):
            return None
        left_ms = epoch_ms(self.end) - stamps[-1]
        if left_ms <= _WORTH_HALVING * span_ms:
            return None
        middle = from_epoch_ms(stamps[-1] + left_ms // 2)
        other = Walk(middle - EDGE, self.end, ahead=True)
        self.start, self.end = from_epoch_ms(stamps[-1]) - EDGE, middle
        self.token, self._edge, self._repeats = None, None, False
        self._tokens.clear()
        return other

    def _must_probe(self, page: Page) -> datetime | None:
        """The edge between two pages, if sales closed in that very millisecond may be missing.

        If a token is the last stamp of its page, and the next page begins after that stamp instead
        of with it, other sales with the same stamp fell between the two; reading that millisecond
        alone brings them.
        """
        edge, self._edge = self._edge, None
        if edge is None or self._repeats:
            return None
        first = next((sale.closed for sale in page.sales if sale.closed), None)
        if first is not None and epoch_ms(first) <= epoch_ms(edge):
            self._repeats = True
            return None
        return edge

    def _advance(self, page: Page) -> None:
        self.token = page.next_token or None
        if self.token is None:
            return
        self._tokens.add(self.token)
        stamp = token_stamp(self.token)
        final = next((sale.closed for sale in reversed(page.sales) if sale.closed), None)
        if stamp is not None and final is not None and stamp == epoch_ms(final):
            self._edge = final
