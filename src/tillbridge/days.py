"""Which day a moment is in: calendar days, business days, and days of 23 or 25 hours.

All moments are aware. A local time that does not exist (clocks go forward) is taken at the
offset before the change; one that exists twice is taken the first time.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a calendar day in a zone, in UTC."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def local_date(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()


def utc_date(epoch_s: int) -> date:
    """The UTC calendar date of whole epoch seconds."""
    return datetime.fromtimestamp(epoch_s, UTC).date()


def evening_stamp(moment: datetime, zone: ZoneInfo, day_starts_at: time) -> datetime:
    """The moment itself, or the last second of the evening before if the business day of that
    evening still runs: with `day_starts_at` 05:00, a sale closed at 01:30 belongs to yesterday.
    """
    local = moment.astimezone(zone)
    if local.time() >= day_starts_at:
        return moment
    midnight = datetime.combine(local.date(), time.min, tzinfo=zone).astimezone(UTC)
    return midnight - timedelta(seconds=1)


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since the epoch, rounded down; exact, no float involved."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def utc_midnight_s(day: date) -> int:
    """The epoch second at which a date begins in UTC."""
    return (day - _EPOCH.date()).days * 86_400


def epoch_s(moment: datetime) -> int:
    """Whole seconds since the epoch, rounded down; exact, no float involved."""
    since = moment - _EPOCH
    return since.days * 86_400 + since.seconds


def from_epoch_ms(value: int) -> datetime:
    """The inverse of `epoch_ms`: aware, UTC."""
    return _EPOCH + timedelta(milliseconds=value)
