"""`reconcile`: three figures a day side by side, a name for every cent between them, and repair."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from rich.text import Text

from tillbridge.cli.options import Common, counted, print_json, say
from tillbridge.cli.periods import chosen
from tillbridge.cli.stopping import Stopper
from tillbridge.cli.tables import Column, Kind, amount_text, difference, show
from tillbridge.clock import SystemClock
from tillbridge.days import epoch_ms
from tillbridge.errors import CredentialsRefused
from tillbridge.ledger import repairs
from tillbridge.ledger.store import Ledger
from tillbridge.lock import PostingLock
from tillbridge.reconcile.document import location_document, repair_document
from tillbridge.reconcile.figures import DayFigures
from tillbridge.reconcile.finality import WORDS
from tillbridge.reconcile.reconciler import Compared
from tillbridge.sync import PassReport
from tillbridge.wiring import Bridge

_LONGEST_WAIT_S = 180.0
"""A command waits no longer than this for totals to settle; then the next run goes on."""

_DO = {
    "adopt": "take over: there already, and not sent again",
    "take_out_and_put_back": "delete by id and post again, until what is missing is found",
    "put_back": "post again",
    "drop_copies": "delete the copies whose ids are known",
    "replace_window": "empty the day and post it again",
    "leave": "leave as it is",
}


def reconcile(
    common: Common,
    days: tuple[date | None, date | None],
    names: Sequence[str],
    *,
    repair: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Exit 3 on a difference that is not explained by work in progress."""
    config = common.load()
    places = chosen(config, names, disabled=False)
    keys = sorted({place.connecteam_id for place in places})
    clock = SystemClock()
    last = days[1] or clock.now().date()
    first = days[0] or last - timedelta(days=round(config.reconcile.back / 86_400))
    ledger = Ledger(common.ledger_path(config), clock)
    lock = PostingLock(ledger.path)
    bridge = Bridge(config, ledger, lock, os.environ, clock)
    try:
        with Stopper(clock) as stopper:
            if lock.try_acquire():
                bridge.begin_posting()
            compare = bridge.keeping.reconciler.run
            results = compare(first, last, keys, stopper, keep=not dry_run)
            shown: list[dict[str, Any]] = []
            if repair and dry_run:
                shown = [_preview(bridge, result) for result in results]
            elif repair and not stopper():
                if not as_json:
                    _print(results)
                shown = _repair(bridge, results, (first, last), stopper)
                results = compare(first, last, keys, stopper)
        _tell(results, shown, (first, last), dry_run=dry_run, as_json=as_json)
        if stopper():
            return stopper.say_interrupted()
        return _exit_code(results, shown, dry_run=dry_run)
    finally:
        bridge.close()
        ledger.close()
        lock.release()


# -- repair -----------------------------------------------------------------------------------


def _preview(bridge: Bridge, result: Compared) -> dict[str, Any]:
    lines = bridge.keeping.repairer.preview(result.policy.connecteam_id, result.calendar)
    state = "planned" if result.mature else "waits for the totals"
    return repair_document(result.policy.name, state, lines, result.policy.currency)


def _repair(
    bridge: Bridge,
    results: Sequence[Compared],
    days: tuple[date, date],
    should_stop: Callable[[], bool],
) -> list[dict[str, Any]]:
    """Ask for it where something differs, and carry it out as far as it goes now."""
    asked: dict[int, int] = {}
    for result in results:
        if not _wants_repair(result):
            continue
        key = result.policy.connecteam_id
        with bridge.ledger.commit() as commit:
            asked[key] = repairs.ask(
                commit, key, (days[0].isoformat(), days[1].isoformat()),
                epoch_ms(bridge.clock.now()), by_person=True,
            )  # fmt: skip
    if not asked:
        return []
    if bridge.lock.is_held:
        _carry_out(bridge, asked, should_stop)
    else:
        say("The running tillbridge carries the repair out.")
    by_key = {result.policy.connecteam_id: result.policy for result in results}
    with bridge.ledger.view() as view:
        rows = [repairs.get(view, repair_id) for repair_id in asked.values()]
    return [
        repair_document(
            by_key[row.connecteam_id].name, row.state, row.result or (),
            by_key[row.connecteam_id].currency,
        )
        for row in rows
    ]  # fmt: skip


def _wants_repair(result: Compared) -> bool:
    differs = any(
        calendar.rest if result.policy.exclusive else calendar.surprise
        for calendar in result.calendar.values()
    )
    return differs or result.stop is not None


def _carry_out(bridge: Bridge, asked: Mapping[int, int], should_stop: Callable[[], bool]) -> None:
    waited_s = 0.0
    while not should_stop():
        report = PassReport()
        bridge.make_pass().post(report, should_stop)
        with bridge.ledger.view() as view:
            left = [i for i in asked.values() if repairs.get(view, i).state == repairs.WORKING]
        wait_s = max(0.05, report.next_look_s or 0.0)
        if not left:
            return
        if waited_s + wait_s > _LONGEST_WAIT_S:
            say(
                "Connecteam's totals are not settled yet. The repair goes on by itself with the "
                f"service, or with the next run in {counted(round(wait_s / 60) + 1, 'minute')}."
            )
            return
        bridge.clock.sleep(wait_s)
        waited_s += wait_s


# -- words ------------------------------------------------------------------------------------


def _tell(
    results: Sequence[Compared],
    shown: Sequence[Mapping[str, Any]],
    days: tuple[date, date],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    if as_json:
        print_json(
            {
                "schema": 1,
                "from": days[0].isoformat(),
                "to": days[1].isoformat(),
                "dry_run": dry_run,
                "locations": [location_document(result) for result in results],
                "repairs": list(shown),
            }
        )
        return
    for one in shown:
        for line in one["actions"]:
            _say_action(one, line, dry_run=dry_run)
    _print(results)
    if dry_run:
        say("Nothing was changed at Connecteam.")


def _say_action(one: Mapping[str, Any], line: Mapping[str, Any], *, dry_run: bool) -> None:
    sales = f" ({counted(line['sales'], 'sale')})" if "sales" in line else ""
    why = f": {line['reason']}" if "reason" in line else ""
    word = "would " if dry_run else ""
    say(
        f"{one['location']}, {line['day']}, difference {line['difference']}: "
        f"{word}{_DO[line['action']]}{sales}{why}."
    )


_COLUMNS = (
    Column("day", Kind.ID),
    Column("state"),
    Column("Lightspeed", Kind.NUMBER),
    Column("sales", Kind.NUMBER),
    Column("ledger", Kind.NUMBER),
    Column("sales", Kind.NUMBER),
    Column("Connecteam", Kind.NUMBER),
    Column("difference", Kind.NUMBER),
    Column("because"),
)


def _print(results: Sequence[Compared]) -> None:
    for result in results:
        currency = result.policy.currency
        zone = result.zone.key if result.zone_observed else f"{result.zone.key}, as it seems"
        show(
            _COLUMNS,
            [_row(figures, result) for figures in result.days],
            title=f"{result.policy.name}, in {currency}; Connecteam's days in {zone}",
        )
        _say_rest(result)


def _row(figures: DayFigures, result: Compared) -> list[object]:
    currency = result.policy.currency
    lightspeed, total = figures.lightspeed, figures.connecteam
    causes = [
        f"{WORDS[cause.name]} {amount_text(cause.amount, currency, signed=True)}"
        for cause in figures.causes
        if cause.amount or cause.needs_look
    ]
    gap = figures.difference
    state = result.states.get(figures.day, (None, ""))[0]
    return [
        figures.day,
        state,
        amount_text(lightspeed[1], currency) if lightspeed else None,
        lightspeed[0] if lightspeed else None,
        amount_text(figures.ledger[1], currency),
        figures.ledger[0],
        None if total is None else amount_text(total, currency),
        None if gap is None else difference(gap, currency),
        Text("; ".join(causes)),
    ]


def _say_rest(result: Compared) -> None:
    name = result.policy.name
    for error in result.errors:
        say(f"{name}: {error}")
    if not result.days and not result.errors:
        say(f"{name}: none of these days is carried over; see `start`, and `tillbridge backfill`.")
    if not result.read:
        say(f"{name}: Connecteam's totals could not be read while nothing was being written.")
    if result.stop is not None:
        say(f"{name}: nothing is posted there ({result.stop}); see `tillbridge status`.")
    for gone in result.vanished:
        what = "is set aside" if gone.part_id is None else f"is held as doubt {gone.part_id}"
        say(f"{name}: sale {gone.reference} of {gone.day} is no longer at Lightspeed; it {what}.")
    for figures in result.days:
        for cause in figures.causes:
            if cause.needs_look and cause.detail:
                say(f"{name}, {figures.day}: {WORDS[cause.name]}: {cause.detail}.")


def _exit_code(
    results: Sequence[Compared], shown: Sequence[Mapping[str, Any]], *, dry_run: bool
) -> int:
    errors = [error for result in results for error in result.errors]
    if any(isinstance(error, CredentialsRefused) for error in errors):
        return 77
    if any(result.needs_look or result.stop is not None for result in results):
        return 3
    unfinished = not dry_run and any(one["state"] == repairs.WORKING for one in shown)
    if errors or unfinished or not all(result.read for result in results):
        return 69
    return 0
