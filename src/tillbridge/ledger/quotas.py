"""The quota of the Connecteam account as this ledger's processes know it, shared through it."""

from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from tillbridge.ledger.schema import quota

_LOAD = select(quota).order_by(quota.c.window)
_CHANGE = update(quota).where(quota.c.window == bindparam("b_window"))
_ADD = insert(quota)


def load(view: Connection) -> list[dict[str, Any]]:
    """The stored windows (minute, day)."""
    rows = view.execute(_LOAD)
    return [dict(row._mapping) for row in rows]  # noqa: SLF001  # a public name


def save(commit: Connection, windows: list[dict[str, Any]]) -> None:
    """Replace the stored windows."""
    for window in windows:
        if commit.execute(_CHANGE, {"b_window": window["window"], **window}).rowcount == 0:
            commit.execute(_ADD, window)
