"""What the configuration means for the parts: rules, policies, periods and shares, as plain values.

Only this module and `wiring` know both the configuration and the parts; the parts know neither.
"""

from collections.abc import Iterable, Mapping
from datetime import time, timedelta
from pathlib import Path

from msgspec.structs import replace

from tillbridge import __version__
from tillbridge.config import Config, Location, RescanEvery
from tillbridge.connecteam.quota import Shares
from tillbridge.days import start_of_day
from tillbridge.gauges import Watched
from tillbridge.ledger.upkeep import Retention
from tillbridge.mapper import Rules
from tillbridge.policy import NightPlan, TargetPolicy
from tillbridge.windows import Bounds, Rescan

DEFAULT_MINUTE_LIMIT = 100
DEFAULT_DAY_LIMIT = 10_000
"""Connecteam's middle plan; used only until the first answer names the account's own limits."""


def user_agent(name: str) -> str:
    """Version and installation, in the characters that a header may have."""
    plain = name.encode("ascii", "replace").decode("ascii").replace("?", "_")
    return f"tillbridge/{__version__} ({plain})"


def rules_of(config: Config, location: Location) -> Rules:
    """What the mapper does at a location."""
    mapping = config.mapping
    skipped = {
        name.casefold() for name, word in mapping.accounting_groups.items() if word == "skip"
    }
    return Rules(
        connecteam_id=location.connecteam_id,
        currency=location.currency,
        zone=location.timezone,
        day_starts_at=location.day_starts_at,
        evening_date=mapping.after_midnight == "business_day",
        service_charge=config.service_charge(location) == "include",
        unknown_as_manual=mapping.unknown_type == "manual",
        skip_types=frozenset(n for n, word in mapping.sale_types.items() if word == "skip"),
        skip_groups=frozenset(skipped),
    )


def target_policies(config: Config) -> dict[int, TargetPolicy]:
    """Connecteam's locations; several of Lightspeed's may feed one."""
    found: dict[int, TargetPolicy] = {}
    for place in config.locations:
        if not place.enabled:
            continue
        known = found.get(place.connecteam_id)
        if known is not None:
            found[place.connecteam_id] = _fed_by_another(known, place)
            continue
        found[place.connecteam_id] = TargetPolicy(
            place.connecteam_id,
            place.name,
            place.currency,
            place.timezone,
            exclusive=place.exclusive,
            may_replace=place.exclusive and config.when_unclear(place) == "replace",
        )
    return found


def _fed_by_another(policy: TargetPolicy, place: Location) -> TargetPolicy:
    """Its zone counts as much as the first one's: Connecteam's day may be in either. What else
    they have in common, the configuration's own checks have seen to.
    """
    zones = policy.other_zones
    if place.timezone.key not in {zone.key for zone in (policy.zone, *zones)}:
        zones = (*zones, place.timezone)
    return replace(policy, name=f"{policy.name} and {place.name}", other_zones=zones)


def left_policies(config: Config, left: Iterable[tuple[int, int]]) -> dict[int, TargetPolicy]:
    """Connecteam's locations that nothing feeds any more, though something of ours is still there.

    Args:
        config: as checked.
        left: (Connecteam id, Lightspeed id) of what is still to be done. A location that is not
            configured, or not enabled, is left alone.
    """
    moved = {place.lightspeed_id: place for place in config.locations if place.enabled}
    configured = {place.connecteam_id for place in config.locations}
    return {
        key: TargetPolicy(
            key,
            f"{moved[source].name} (before it moved)",
            moved[source].currency,
            moved[source].timezone,
            exclusive=False,
            may_replace=False,
        )
        for key, source in sorted(left)
        if source in moved and key not in configured
    }


def rescans_of(config: Config) -> tuple[Rescan, ...]:
    """The re-reads, named by what they do, so that the ledger knows one that was changed anew."""
    found = []
    for item in config.sync.rescans:
        if isinstance(item, RescanEvery):
            name = f"every {item.every:g}s back {item.back:g}s"
            found.append(Rescan(name, item.back, every_s=item.every))
        else:
            found.append(Rescan(f"at {item.at} back {item.back:g}s", item.back, at=item.at))
    return tuple(found)


def bounds_of(location: Location) -> Bounds:
    """A location's first and last moment, from its first and last day."""
    ends = None
    if location.end is not None:
        ends = start_of_day(location.end + timedelta(days=1), location.timezone)
    return Bounds(start_of_day(location.start, location.timezone), ends)


def retention_of(config: Config) -> Retention:
    """How long the ledger keeps what it may forget."""
    section = config.ledger
    return Retention(section.keep_events, section.keep_readings, section.keep_payloads)


def watched_of(config: Config, tokens: Path) -> Watched:
    """What health may expect of this installation.

    Args:
        config: as checked.
        tokens: the file of the Lightspeed sign-in.
    """
    age = config.sync.max_batch_age
    return Watched(
        {place.lightspeed_id: bounds_of(place) for place in config.locations if place.enabled},
        config.sync.poll_every,
        0.0 if age == "auto" else age,
        config.connecteam.quota_share,
        config.connecteam.day_limit or DEFAULT_DAY_LIMIT,
        tokens,
    )


def night_of(config: Config, ids: Mapping[int, int]) -> NightPlan:
    """The nightly comparison; `ids` are the ledger's, by Lightspeed id."""
    back_days = max(1, round(config.reconcile.back / 86_400))
    at = {
        ids[place.lightspeed_id]: _after_cutoff(config.reconcile.at, place.day_starts_at)
        for place in config.locations
        if place.enabled
    }
    return NightPlan(at, back_days, repairs=config.reconcile.repair == "exclusive")


def _after_cutoff(at: time, cutoff: time) -> time:
    """The time itself, or a quarter of an hour after the cut-off if that is later."""
    least = cutoff.hour * 60 + cutoff.minute + 15
    minute = max(at.hour * 60 + at.minute, least if least < 24 * 60 else 0)
    return time(minute // 60, minute % 60)


def shares_of(config: Config) -> Shares:
    section = config.connecteam
    return Shares(
        section.quota_share,
        section.backfill_share,
        section.minute_limit or DEFAULT_MINUTE_LIMIT,
        section.day_limit or DEFAULT_DAY_LIMIT,
    )
