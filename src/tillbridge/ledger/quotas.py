"""The quota of the Connecteam account as this ledger's processes know it, shared through it."""

from typing import Any

from sqlalchemy import Connection, delete, insert, select

from tillbridge.ledger.schema import quota


def load(view: Connection) -> list[dict[str, Any]]:
    """The stored windows (minute, day)."""
    rows = view.execute(select(quota).order_by(quota.c.window))
    return [dict(row._mapping) for row in rows]  # noqa: SLF001  # a public name


def save(commit: Connection, windows: list[dict[str, Any]]) -> None:
    for window in windows:
        commit.execute(delete(quota).where(quota.c.window == window["window"]))
        commit.execute(insert(quota).values(**window))
