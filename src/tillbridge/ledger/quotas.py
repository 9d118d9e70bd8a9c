"""The quota of the Connecteam account as this ledger's processes know it, shared through it."""

import json
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from tillbridge.ledger.schema import quota
from tillbridge.ledger.statements import Prepared

_COLUMNS = tuple(quota.c.keys())
_UNTOLD = dict.fromkeys(_COLUMNS) | {"others": 0, "pause_ms": 0, "refused": 0}
"""What a window is that says no more."""

_LOAD = Prepared(select(quota).order_by(quota.c.window))
_ADD = insert(quota)
_PUT = Prepared(
    _ADD.on_conflict_do_update(
        index_elements=[quota.c.window],
        set_={name: _ADD.excluded[name] for name in _COLUMNS if name != "window"},
    ),
    *_COLUMNS,
)


def load(view: Connection) -> list[dict[str, Any]]:
    """The stored windows (minute, day)."""
    found = [dict(zip(_COLUMNS, row, strict=True)) for row in _LOAD.all(view)]
    for window in found:
        window["recent"] = json.loads(window["recent"]) if window["recent"] else None
    return found


def save(commit: Connection, windows: list[dict[str, Any]]) -> None:
    """Replace the stored windows."""
    for window in windows:
        values = _UNTOLD | window
        values["recent"] = json.dumps(values["recent"]) if values["recent"] else None
        _PUT.run(commit, *(values[name] for name in _COLUMNS))
