"""Copies of a ledger, put back later: what a person does who restores a backup."""

import shutil
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from reconcile.world import World


def back_up(here: World) -> Path:
    here.stop()
    copy = here.home.ledger.with_name("copy.db")
    shutil.copyfile(here.home.ledger, copy)
    here.start()
    return copy


def restore(here: World, copy: Path, *, with_mark: bool) -> None:
    here.stop()
    for end in ("-wal", "-shm"):
        here.home.ledger.with_name(f"ledger.db{end}").unlink(missing_ok=True)
    shutil.copyfile(copy, here.home.ledger)
    if not with_mark:
        here.home.ledger.with_name("ledger.db.generation").unlink()
    here.start()
    here.compare()


def trade(here: World, sales: int, *, days_ago: int = 0) -> None:
    day = here.day - timedelta(days=days_ago)
    ago = datetime.now(UTC) - datetime.combine(day, time(14), UTC)
    for number in range(sales):
        here.sandbox.close_sale(0, ago=ago - number * (ago / 400))
    here.compare(day)  # they came late: it is the whole day that brings them


def stops(here: World) -> list[Any]:
    return [row[0] for row in here.query("select stop from target where stop is not null")]


def grow_old(here: World, sales: int) -> None:
    """A copy is made; so many sales are posted after it; the copy is put in place."""
    copy = back_up(here)
    trade(here, sales)
    here.run(2)
    restore(here, copy, with_mark=True)
    here.run(2)


def delete_one_of_the_last(here: World) -> None:
    """By hand, so that the totals do not tell what an old ledger has forgotten."""
    key = next(key for key, row in here.rows()[-4:] if row.amount > 0)
    here.sandbox.delete_at_connecteam(key)
