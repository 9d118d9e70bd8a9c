"""The quota of the Connecteam account as this ledger's processes know it, shared through it."""

from typing import Any

from sqlalchemy import Connection, delete, insert, select

from tillbridge.ledger.schema import quota


def load(view: Connection) -> dict[str, dict[str, Any]]:
    """The stored windows (minute, day) by name."""
    rows = view.execute(select(quota))
    return {row.window: dict(row._mapping) for row in rows}  # noqa: SLF001  # a public name


def save(commit: Connection, windows: list[dict[str, Any]]) -> None:
    for window in windows:
        commit.execute(delete(quota).where(quota.c.window == window["window"]))
        commit.execute(insert(quota).values(**window))
