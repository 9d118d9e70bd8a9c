"""`rules`: what a changed configuration would make of history, and making it so when asked."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from tillbridge.cli.options import Common, counted, print_json, say
from tillbridge.cli.periods import bounds, chosen
from tillbridge.cli.state import open_ledger
from tillbridge.cli.stopping import Stopper
from tillbridge.cli.tables import Column, Kind, amount_text, difference, show
from tillbridge.cli.undoing import agreed, carry_out
from tillbridge.clock import SystemClock
from tillbridge.config import Config, Location
from tillbridge.configured import rules_of
from tillbridge.days import epoch_ms, from_epoch_ms
from tillbridge.errors import LockHeld
from tillbridge.ledger import locations
from tillbridge.ledger.locations import Identity
from tillbridge.ledger.removals import Purpose
from tillbridge.ledger.store import Ledger
from tillbridge.lock import PostingLock
from tillbridge.money import minor_digits, minor_text
from tillbridge.reader import Reader, Source
from tillbridge.revise import STUCK, DayChange, Plan, Reviser, mapped_by_others
from tillbridge.revise import Kind as Change
from tillbridge.sides import lightspeed_client
from tillbridge.windows import Period
from tillbridge.wiring import Bridge

Days = tuple[date | None, date | None]


@dataclass(frozen=True, slots=True)
class _Here:
    """A location, what is to be looked at, and what came of it; no period, no plan."""

    place: Location
    source: Source
    moved_from: int | None
    others: int
    period: Period | None
    plan: Plan


def rules(
    common: Common, days: Days, names: list[str], *, apply: bool, yes: bool, as_json: bool
) -> int:
    """Show what would be different; asked to apply, make it so."""
    config = common.load()
    clock = SystemClock()
    ledger = open_ledger(common)
    lock = PostingLock(ledger.path)
    executor = ThreadPoolExecutor(config.lightspeed.max_concurrency)
    try:
        pages = lightspeed_client(config, ledger.path, os.environ, clock)
        reader = Reader(ledger, pages, clock, executor, config.lightspeed.max_concurrency)
        places = chosen(config, names, disabled=False)
        wanted = [_here(ledger, config, place, days) for place in places]
        found = [here for here in wanted if here is not None]
        with Stopper(clock) as stopper:
            reviser = Reviser(ledger, reader, clock, _allowed(config, ledger, lock, found))
            found = [_examined(reviser, here, stopper) for here in found]
            if stopper():
                return stopper.say_interrupted()
            if not as_json:
                _show(found)
            code = max((e.exit_code for here in found for e in here.plan.errors), default=0)
            if apply and not code:
                code = _apply(config, ledger, lock, reviser, found, stopper, yes=yes)
        if as_json:
            print_json(_json(found, applied=apply and not code, code=code))
        return code
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        ledger.close()
        lock.release()


def _here(ledger: Ledger, config: Config, place: Location, days: Days) -> _Here | None:
    now_rules = rules_of(config, place)
    with ledger.view() as view:
        row = locations.by_lightspeed_id(view, place.lightspeed_id)
        if row is None:
            return None
        others, first_ms, last_ms = mapped_by_others(view, row.id, now_rules.version)
    period = None
    if days != (None, None):
        period = Period(*bounds(place, days))
    elif others:
        period = Period(from_epoch_ms(first_ms), from_epoch_ms(last_ms + 1))
    source = Source(row.id, place.lightspeed_id, place.name, now_rules)
    moved_from = row.connecteam_id if row.connecteam_id != place.connecteam_id else None
    return _Here(place, source, moved_from, others, period, Plan())


def _examined(reviser: Reviser, here: _Here, stopper: Stopper) -> _Here:
    if here.period is None or stopper():
        return here
    return replace(
        here, plan=reviser.run(here.source, here.period, apply=False, should_stop=stopper)
    )


def _allowed(
    config: Config, ledger: Ledger, lock: PostingLock, found: list[_Here]
) -> Callable[[int, int], str | None]:
    """Whether a window may be emptied; at a location that moves, it may not."""
    if any(here.moved_from is not None for here in found):
        return lambda _key, _stamp: "a location is moved"
    bridge = Bridge(config, ledger, lock, os.environ, SystemClock())
    bridge.close()  # its pool of threads; what is asked needs none

    def allowed(key: int, stamp_s: int) -> str | None:
        if key not in bridge.policies:
            return "nothing feeds that location any more"
        return bridge.replacer.refusal(key, stamp_s)

    return allowed


def _apply(
    config: Config,
    ledger: Ledger,
    lock: PostingLock,
    reviser: Reviser,
    found: list[_Here],
    stopper: Stopper,
    *,
    yes: bool,
) -> int:
    changes = sum(here.plan.changes for here in found)
    moved = [here for here in found if here.moved_from is not None]
    if moved and not lock.try_acquire():
        raise LockHeld(
            "A running tillbridge posts to the location that is to be moved.",
            "Stop it, run this again, and start it anew.",
        )
    if changes or moved:
        words = f"Change {counted(changes, 'sale')} in history" if changes else "Move the location"
        if not agreed(f"{words}?", yes=yes):
            say("Nothing was changed.")
            return 0
    now_ms = epoch_ms(SystemClock().now())
    with ledger.commit() as commit:
        for here in moved:
            place = here.place
            wanted = Identity(place.name, place.lightspeed_id, place.connecteam_id, place.currency)
            locations.move(commit, wanted, now_ms)
    for here in found:
        if here.period is not None:
            done = reviser.run(here.source, here.period, apply=True, should_stop=stopper)
            for error in done.errors:
                say(str(error))
                return error.exit_code
    bridge = Bridge(config, ledger, lock, os.environ, SystemClock())
    try:
        return carry_out(bridge, stopper, Purpose.RULES)
    finally:
        bridge.close()


def _show(found: list[_Here]) -> None:
    rows = []
    for here in found:
        for (key, day), change in sorted(here.plan.days.items()):
            if not (change.kinds or change.leaving):
                continue
            currency = here.place.currency
            rows.append([
                here.place.name, key, day, currency, amount_text(change.now, currency),
                amount_text(change.then, currency),
                difference(change.then - change.now, currency),
                _words(change),
            ])  # fmt: skip
    if rows:
        show(
            [Column("location"), Column("Connecteam id", Kind.ID), Column("day", Kind.ID),
             Column("currency", Kind.ID), Column("now", Kind.NUMBER),
             Column("would be", Kind.NUMBER), Column("difference", Kind.NUMBER),
             Column("sales")],
            rows,
            title="What the rules of now would change in history",
        )  # fmt: skip
    for here in found:
        _say(here)


def _words(change: DayChange) -> str:
    kinds = sorted(change.kinds.items(), key=lambda item: item[0].value)
    words = [f"{number} {kind.value}" for kind, number in kinds]
    return ", ".join([*words, *([f"{change.leaving} leave this day"] if change.leaving else [])])


def _say(here: _Here) -> None:
    name, plan = here.place.name, here.plan
    for error in plan.errors:
        say(str(error))
    if here.moved_from is not None:
        say(f"{name}: moves from Connecteam location {here.moved_from} to "
            f"{here.place.connecteam_id}; new sales go there once this is applied.")  # fmt: skip
    if here.period is None:
        say(f"{name}: every sale was mapped by the rules of now.")
        return
    for kind in (*STUCK, Change.AMENDED):
        if plan.kinds[kind]:
            say(f"{name}: {counted(plan.kinds[kind], 'sale')} {kind.value}.")
    if not plan.changes:
        say(f"{name}: nothing would be different.")
        return
    say(f"{name}: {counted(plan.changes, 'sale')} would be different: "
        f"{counted(plan.deletes, 'transaction')} taken back by id, "
        f"{counted(plan.posts, 'sale')} sent.")  # fmt: skip


def _json(found: list[_Here], *, applied: bool, code: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "applied": applied,
        "exit_code": code,
        "locations": [_location(here) for here in found],
    }


def _location(here: _Here) -> dict[str, Any]:
    currency, plan = here.place.currency, here.plan
    digits = minor_digits(currency)
    return {
        "name": here.place.name,
        "rules": here.source.rules.version,
        "mapped_by_others": here.others,
        "moves_from": here.moved_from,
        "currency": currency,
        "changes": plan.changes,
        "deletes": plan.deletes,
        "posts": plan.posts,
        "sales": {kind.name.lower(): plan.kinds[kind] for kind in Change},
        "days": [
            {
                "date": day.isoformat(),
                "connecteam_id": key,
                "now": minor_text(change.now, digits),
                "would_be": minor_text(change.then, digits),
                "difference": minor_text(change.then - change.now, digits),
                "sales": {kind.name.lower(): n for kind, n in change.kinds.items()},
                "leaving": change.leaving,
            }
            for (key, day), change in sorted(plan.days.items())
            if change.kinds or change.leaving
        ],
    }
