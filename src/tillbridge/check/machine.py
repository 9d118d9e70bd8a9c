"""This machine: its disk, and its clock beside the vendors'."""

from tillbridge.check.report import Item, failed, passed, warned

_LOW_BYTES = 1_000_000_000
_LEAST_BYTES = 100_000_000
_CLOCK_WARN_S = 60.0
_CLOCK_FAIL_S = 600.0


def judge_disk(free_bytes: int, folder: str) -> Item:
    """The space below the ledger, which must grow and be written durably."""
    name = "Disk space"
    text = f"{_size(free_bytes)} free at {folder}."
    if free_bytes < _LEAST_BYTES:
        return failed(name, text, "Make room: with a full disk nothing is read or posted.")
    if free_bytes < _LOW_BYTES:
        return warned(name, text, "Make room before it is full; a year of sales may need 1 GB.")
    return passed(name, text)


def judge_clock(ahead_s: dict[str, float]) -> Item:
    """This machine's clock beside what the vendors' answers say.

    Args:
        ahead_s: by vendor, how many seconds this machine is ahead of it (behind, if negative).
    """
    name = "Clock"
    if not ahead_s:
        return warned(name, "Not looked at: no vendor has told the time.")
    told = ", ".join(f"{_offset(value)} {vendor}" for vendor, value in ahead_s.items())
    # Whoever is nearest is believed: a vendor's own clock may be wrong, too.
    off_s = min(abs(value) for value in ahead_s.values())
    text = f"This machine's clock is {told}."
    remedy = "Set the clock, and switch a time service on: `timedatectl set-ntp true`."
    if off_s > _CLOCK_FAIL_S:
        return failed(name, text, f"{remedy} Sales are read by time.")
    if off_s > _CLOCK_WARN_S:
        return warned(name, text, remedy)
    return passed(name, text)


def _offset(ahead_s: float) -> str:
    if abs(ahead_s) <= 2.0:  # the header has whole seconds, and travels
        return "equal to that of"
    size = _span(abs(ahead_s))
    return f"{size} ahead of" if ahead_s > 0 else f"{size} behind"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
