"""Which locations and days a command is about, from its options; mistakes are said plainly."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from tillbridge.clock import SystemClock
from tillbridge.config import Config, Location
from tillbridge.days import local_date, start_of_day
from tillbridge.errors import UsageError


def chosen(config: Config, names: Sequence[str], *, disabled: bool = True) -> list[Location]:
    """The locations with these names; all if none is given.

    Args:
        config: as checked.
        names: as in `[[locations]]`.
        disabled: also those that are not enabled: their history is still there.

    Raises:
        UsageError: one of them is not configured.
    """
    known = [place for place in config.locations if place.enabled or disabled]
    unknown = set(names) - {place.name for place in known}
    if unknown:
        raise UsageError(
            f"The configuration has no location {', '.join(sorted(unknown))}.",
            f"There are: {', '.join(place.name for place in known) or 'none'}.",
        )
    return [place for place in known if not names or place.name in names]


def days_of(first: datetime | None, last: datetime | None) -> tuple[date | None, date | None]:
    """The days of --from and --to.

    Raises:
        UsageError: they are in the wrong order.
    """
    start = first.date() if first else None
    end = last.date() if last else None
    if start is not None and end is not None and end < start:
        raise UsageError(f"--to {end} is before --from {start}.", "Exchange the two days.")
    return start, end


def whole_days(first: datetime, last: datetime) -> tuple[date, date]:
    """Both days, as given.

    Raises:
        UsageError: they are in the wrong order.
    """
    days_of(first, last)
    return first.date(), last.date()


def bounds(place: Location, days: tuple[date | None, date | None]) -> tuple[datetime, datetime]:
    """From the first moment of the first day to the first after the last, in UTC; from the very
    beginning, and until today, where a day is left out.
    """
    first, last = days
    after = (last or local_date(SystemClock().now(), place.timezone)) + timedelta(days=1)
    start = start_of_day(first or date(1970, 1, 2), place.timezone)
    return start, start_of_day(after, place.timezone)
