"""What only shows when two values are compared: contradictions, and unwise combinations.

Each check is given the values that could be read, so that contradictions are reported together
with mistakes in single keys; a check whose values could not be read is silent. Pure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import time
from typing import Any
from urllib.parse import urlsplit

from tillbridge.config.parsing import format_duration, shown, toml_string
from tillbridge.config.sections import RescanEvery
from tillbridge.errors import Problem
from tillbridge.sale import SaleType

Values = Mapping[str, Any]
"""Keys to values as the models have them; a key that could not be read is absent."""

_NO_VALUES: Values = {}


def contradictions(values: Values) -> tuple[Problem, ...]:
    """What must be corrected before the configuration can be used."""
    return tuple(problem for check in _CONTRADICTIONS for problem in check(values))


def unwise(values: Values) -> tuple[Problem, ...]:
    """What works, but probably not as meant."""
    return tuple(problem for check in _UNWISE for problem in check(values))


def _table(values: Values, name: str) -> Values:
    found: Values = values.get(name, _NO_VALUES)
    return found


def _locations(values: Values) -> Sequence[Values]:
    found: Sequence[Values] = values.get("locations", ())
    return found


def _sign_in(values: Values) -> Iterator[Problem]:
    if "connecteam" not in values:
        return
    table = _table(values, "connecteam")
    # A key that is there and could not be read is absent; one that is not there is None.
    ways = ("api_key", "client_id", "client_secret")
    given = {key for key in ways if table.get(key, "unreadable") is not None}
    app = given & {"client_id", "client_secret"}
    if "api_key" in given and app:
        yield Problem(
            "connecteam",
            f"There are two ways to sign in: api_key and {' and '.join(sorted(app))}.",
            "Keep either api_key, or client_id and client_secret.",
        )
    elif "api_key" not in given and not app:
        yield Problem(
            "connecteam",
            "There is no way to sign in.",
            'Add api_key = { credential = "connecteam-api-key" }, or client_id and client_secret.',
        )
    elif len(app) == 1:
        (missing,) = {"client_id", "client_secret"} - app
        yield Problem(
            f"connecteam.{missing}",
            "This is missing.",
            f"client_id and client_secret belong together: add {missing}.",
        )


def _repeated(values: Values) -> Iterator[Problem]:
    for key in ("name", "lightspeed_id"):
        first: dict[object, int] = {}
        for index, location in enumerate(_locations(values)):
            value = location.get(key)
            if value is None:
                continue
            same = value.casefold() if isinstance(value, str) else value
            if same in first:
                yield Problem(
                    f"locations[{index}].{key}",
                    f"locations[{first[same]}] has the same {key}, {shown(value)}.",
                    "Give each location its own."
                    if key == "name"
                    else "Name each Lightspeed location once; its sales would go twice.",
                )
            first.setdefault(same, index)


def _shared_location(values: Values) -> Iterator[Problem]:
    """Totals, deletes and decisions belong to the Connecteam location, so those who share one
    must agree on what they say about it.
    """
    default = _table(values, "doubt").get("when_unclear")
    first: dict[int, tuple[int, Values]] = {}
    for index, raw in enumerate(_locations(values)):
        own = raw.get("when_unclear", "?")  # "?": it could not be read
        location = {**raw, "when_unclear": default if own is None else own}
        target = location.get("connecteam_id")
        if target is None:
            continue
        other_index, other = first.setdefault(target, (index, location))
        for key in ("currency", "exclusive", "when_unclear"):
            mine, theirs = location.get(key), other.get(key)
            if None in (mine, theirs) or "?" in (mine, theirs) or mine == theirs:
                continue
            yield Problem(
                f"locations[{index}].{key}",
                f"This is {shown(mine)}, but locations[{other_index}] feeds the same Connecteam "
                f"location {target} and says {shown(theirs)}.",
                "Say the same at both, or let them feed different Connecteam locations.",
            )


def _end_before_start(values: Values) -> Iterator[Problem]:
    for index, location in enumerate(_locations(values)):
        start, end = location.get("start"), location.get("end")
        if start is not None and end is not None and end < start:
            yield Problem(
                f"locations[{index}].end",
                f"The last day, {end}, is before the first, {start}.",
                "Write a later day, or leave end out.",
            )


def _same_group_twice(values: Values) -> Iterator[Problem]:
    seen: set[str] = set()
    for name in _table(values, "mapping").get("accounting_groups", {}):
        if name.casefold() in seen:
            yield Problem(
                f"mapping.accounting_groups.{toml_string(name)}",
                "This group is named twice; capital and small letters do not differ here.",
                "Keep one of the two.",
            )
        seen.add(name.casefold())


def _half_quiet(values: Values) -> Iterator[Problem]:
    alarms = _table(values, "alarms")
    # A key that is there and could not be read is absent; one that is not there is None.
    begins, ends = alarms.get("quiet_from", "?"), alarms.get("quiet_to", "?")
    if "?" in {begins, ends}:
        return
    if (begins is None) != (ends is None):
        missing = "quiet_from" if begins is None else "quiet_to"
        yield Problem(
            f"alarms.{missing}",
            "This is missing.",
            f"quiet_from and quiet_to belong together: add {missing}, or leave both out.",
        )
    elif begins is not None and begins == ends:
        yield Problem(
            "alarms.quiet_to",
            "The quiet hours begin and end at the same time.",
            "Write another time, or leave both out.",
        )


def _wait_too_short(values: Values) -> Iterator[Problem]:
    wait = _table(values, "doubt").get("wait")
    timeout = _table(values, "connecteam").get("timeout")
    if wait is not None and timeout is not None and wait < timeout:
        yield Problem(
            "doubt.wait",
            f"{format_duration(wait)} is shorter than connecteam.timeout, "
            f"{format_duration(timeout)}: a request may still act after it was judged.",
            "Make doubt.wait at least as long as connecteam.timeout.",
        )


def _connect_too_long(values: Values) -> Iterator[Problem]:
    connect = _table(values, "connecteam").get("connect_timeout")
    timeout = _table(values, "connecteam").get("timeout")
    if connect is not None and timeout is not None and connect > timeout:
        yield Problem(
            "connecteam.connect_timeout",
            f"{format_duration(connect)} is longer than connecteam.timeout, "
            f"{format_duration(timeout)}.",
            "Make it shorter; five seconds are plenty for a connection.",
        )


def _short_looks_back(values: Values) -> Iterator[Problem]:
    sync = _table(values, "sync")
    overlap, poll = sync.get("overlap"), sync.get("poll_every")
    if overlap is not None and poll is not None and overlap < poll:
        yield Problem(
            "sync.overlap",
            f"{format_duration(overlap)} is shorter than sync.poll_every, "
            f"{format_duration(poll)}: sales that arrive late wait for a rescan.",
            "Make sync.overlap at least as long as sync.poll_every.",
        )
    for index, rescan in enumerate(sync.get("rescans", ())):
        if overlap is not None and rescan.back < overlap:
            yield Problem(
                f"sync.rescans[{index}].back",
                f"{format_duration(rescan.back)} is shorter than sync.overlap, "
                f"{format_duration(overlap)}: every poll looks further back.",
                "Make back longer, or leave this rescan out.",
            )
        if isinstance(rescan, RescanEvery) and poll is not None and rescan.every < poll:
            yield Problem(
                f"sync.rescans[{index}].every",
                f"{format_duration(rescan.every)} is shorter than sync.poll_every, "
                f"{format_duration(poll)}.",
                "Rescan more seldom than you poll.",
            )


def _replace_without_effect(values: Values) -> Iterator[Problem]:
    default = _table(values, "doubt").get("when_unclear")
    for index, location in enumerate(_locations(values)):
        own = location.get("when_unclear")
        if location.get("exclusive") is False and (own or default) == "replace":
            yield Problem(
                f"locations[{index}].when_unclear" if own else f"locations[{index}].exclusive",
                'when_unclear = "replace" has no effect at a location that is not exclusive: '
                "unclear sales are held there.",
                'Set when_unclear = "hold" for this location.',
            )


def _half_moved_addresses(values: Values) -> Iterator[Problem]:
    lightspeed = _table(values, "lightspeed")
    if lightspeed.get("api_url") and "token_url" in lightspeed and not lightspeed["token_url"]:
        host = urlsplit(lightspeed["api_url"]).hostname
        if host not in {"api.lsk.lightspeed.app", "api.trial.lsk.lightspeed.app"}:
            yield Problem(
                "lightspeed.api_url",
                "Sales are read elsewhere, but tokens are still fetched from Lightspeed itself.",
                "Set token_url and authorize_url too.",
            )


def _unusual_locations(values: Values) -> Iterator[Problem]:
    locations = _locations(values)
    if locations and all(location.get("enabled") is False for location in locations):
        yield Problem(
            "locations", "No location is enabled, so nothing is carried over.", "Enable one."
        )
    for index, location in enumerate(locations):
        day_starts_at = location.get("day_starts_at")
        if day_starts_at is not None and day_starts_at > time(12):
            yield Problem(
                f"locations[{index}].day_starts_at",
                f"The business day would begin at {day_starts_at:%H:%M}, in the afternoon.",
                'It usually begins in the small hours, such as "05:00".',
            )


def _new_sale_types(values: Values) -> Iterator[Problem]:
    for name in _table(values, "mapping").get("sale_types", {}):
        if name not in set(SaleType):
            yield Problem(
                f"mapping.sale_types.{name}",
                "This version of tillbridge does not know this type of sale.",
                f"If it is not a new one of Lightspeed's, use one of {', '.join(SaleType)}.",
            )


_Check = Callable[[Values], Iterator[Problem]]
_CONTRADICTIONS: tuple[_Check, ...] = (
    _sign_in,
    _repeated,
    _shared_location,
    _end_before_start,
    _same_group_twice,
    _half_quiet,
)
_UNWISE: tuple[_Check, ...] = (
    _wait_too_short,
    _connect_too_long,
    _short_looks_back,
    _replace_without_effect,
    _half_moved_addresses,
    _unusual_locations,
    _new_sale_types,
)
