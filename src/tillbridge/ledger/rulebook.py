"""Every set of rules that sales were ever mapped by, by its version. Kept so that a figure of last
year can still be explained after the configuration was changed.
"""

import json
from collections.abc import Iterable
from datetime import time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, insert, select

from tillbridge.ledger.schema import meta
from tillbridge.mapper import Rules

_PREFIX = "rules:"


def remember(commit: Connection, rules: Iterable[Rules]) -> None:
    """Write down the sets that the ledger does not have yet."""
    wanted = {_PREFIX + one.version: one for one in rules}
    known = set(commit.execute(select(meta.c.key).where(meta.c.key.in_(list(wanted)))).scalars())
    for key, one in wanted.items():
        if key not in known:
            commit.execute(insert(meta).values(key=key, value=json.dumps(settings_of(one))))


def find(view: Connection, version: str) -> Rules | None:
    """The set of this version; None if it is older than this book, or its zone is gone."""
    text = view.execute(
        select(meta.c.value).where(meta.c.key == _PREFIX + version)
    ).scalar_one_or_none()
    if text is None:
        return None
    kept = json.loads(text)
    try:
        return Rules(
            **{
                **kept,
                "zone": ZoneInfo(kept["zone"]),
                "day_starts_at": time.fromisoformat(kept["day_starts_at"]),
                "skip_types": frozenset(kept["skip_types"]),
                "skip_groups": frozenset(kept["skip_groups"]),
            }
        )
    except (TypeError, KeyError, ValueError, ZoneInfoNotFoundError):
        return None  # of a version of this program that had other rules


def settings_of(rules: Rules) -> dict[str, Any]:
    """The rules as plain values."""
    return {
        "connecteam_id": rules.connecteam_id,
        "currency": rules.currency,
        "zone": rules.zone.key,
        "day_starts_at": rules.day_starts_at.isoformat("minutes"),
        "evening_date": rules.evening_date,
        "service_charge": rules.service_charge,
        "unknown_as_manual": rules.unknown_as_manual,
        "skip_types": sorted(rules.skip_types),
        "skip_groups": sorted(rules.skip_groups),
    }
