"""`forecast`: projected sales from a CSV file into Connecteam, or what Connecteam shows."""

import os
import sys
from datetime import date, timedelta
from typing import Any

from tillbridge.account import Account
from tillbridge.cli.options import Common, counted, print_json, say
from tillbridge.cli.tables import Column, Kind, amount_text, difference, show
from tillbridge.clock import SystemClock
from tillbridge.config import Config
from tillbridge.configured import shares_of
from tillbridge.connecteam.wire import DayFigures
from tillbridge.errors import UsageError
from tillbridge.forecast import Forecaster
from tillbridge.forecast_file import Amounts, Target, parse
from tillbridge.ledger.store import Ledger
from tillbridge.money import minor_digits, minor_text, to_minor
from tillbridge.sides import connecteam_side

_SHOWN_DAYS = 14
"""Days that are shown where no file is given, from today on."""


def forecast(common: Common, file: str | None, *, dry_run: bool, as_json: bool) -> int:
    """Set projected sales, or show them."""
    config = common.load()
    clock = SystemClock()
    targets = targets_of(config)
    today = clock.now().date()
    amounts = None if file is None else parse(_text(file), list(targets.values()), today)
    ledger = Ledger(common.ledger_path(config), clock)
    try:
        side = connecteam_side(config, os.environ, clock)
        account = Account(ledger, side.client, clock, shares_of(config))
        forecaster = Forecaster(ledger, account, side.projections, targets)
        if amounts is None:
            return _show_now(forecaster, targets, today, as_json=as_json)
        if dry_run:
            return _compare(forecaster, targets, amounts, as_json=as_json)
        return _set(forecaster, targets, amounts, as_json=as_json)
    finally:
        ledger.close()


def targets_of(config: Config) -> dict[int, Target]:
    """Connecteam's locations with the names of those that feed them."""
    found: dict[int, Target] = {}
    for place in config.locations:
        if place.enabled:
            known = found.get(place.connecteam_id)
            names = (*(known.names if known else ()), place.name)
            found[place.connecteam_id] = Target(place.connecteam_id, names, place.currency)
    return found


def _text(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig")
        with open(file, "rb") as opened:  # noqa: PTH123  # the name may be anything a shell gives
            return opened.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is not UTF-8 text (byte {error.start + 1}).", "Save it as CSV UTF-8."
        ) from None
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read: {error.strerror}.", "Name a CSV file, or - for standard input."
        ) from None


def _set(
    forecaster: Forecaster, targets: dict[int, Target], amounts: Amounts, *, as_json: bool
) -> int:
    outcome = forecaster.set_all(amounts)
    if as_json:
        print_json(
            {
                "schema": 1,
                "dry_run": False,
                "locations": [
                    {
                        "name": targets[key].label,
                        "connecteam_id": key,
                        "currency": targets[key].currency,
                        "set": key in outcome.done,
                        "error": str(outcome.errors[key]) if key in outcome.errors else None,
                        "days": [_new(targets[key], day, it) for day, it in sorted(days.items())],
                    }
                    for key, days in sorted(amounts.items())
                ],
            }
        )
    for key in outcome.done:
        days = amounts[key]
        say(f"{targets[key].label}: {counted(len(days), 'day')} set, {min(days)} to {max(days)}, "
            f"{amount_text(sum(days.values()), targets[key].currency)} "
            f"{targets[key].currency} in all.")  # fmt: skip
    for key, error in outcome.errors.items():
        say(f"{targets[key].label}: nothing is confirmed. {error}")
    return max((error.exit_code for error in outcome.errors.values()), default=0)


def _new(target: Target, day: date, amount: int) -> dict[str, Any]:
    return {"date": day.isoformat(), "amount": minor_text(amount, minor_digits(target.currency))}


def _compare(
    forecaster: Forecaster, targets: dict[int, Target], amounts: Amounts, *, as_json: bool
) -> int:
    """Old and new, side by side; nothing is set."""
    days = [day for them in amounts.values() for day in them]
    shown = forecaster.read(sorted(amounts), min(days), max(days))
    old = {(it.location_id, it.day): _minor(targets[it.location_id], it) for it in shown}
    if as_json:
        print_json({"schema": 1, "dry_run": True, "locations": [
            {
                "name": targets[key].label, "connecteam_id": key,
                "currency": targets[key].currency, "set": False, "error": None,
                "days": [_new(targets[key], day, amount) | {"before": _plain(
                    targets[key], old.get((key, day)))} for day, amount in sorted(them.items())],
            } for key, them in sorted(amounts.items())
        ]})  # fmt: skip
        return 0
    rows = []
    for key, them in sorted(amounts.items()):
        currency = targets[key].currency
        for day, amount in sorted(them.items()):
            before = old.get((key, day))
            rows.append([
                targets[key].label, day, currency,
                None if before is None else amount_text(before, currency),
                amount_text(amount, currency), difference(amount - (before or 0), currency),
            ])  # fmt: skip
    show([Column("location"), Column("date", Kind.ID), Column("currency", Kind.ID),
          Column("projected now", Kind.NUMBER), Column("would be", Kind.NUMBER),
          Column("difference", Kind.NUMBER)], rows)  # fmt: skip
    say("Nothing was set.")
    return 0


def _show_now(
    forecaster: Forecaster, targets: dict[int, Target], today: date, *, as_json: bool
) -> int:
    last = today + timedelta(days=_SHOWN_DAYS - 1)
    shown = forecaster.read(sorted(targets), today, last)
    found = sorted(
        (it for it in shown if it.location_id in targets), key=lambda it: (it.location_id, it.day)
    )
    if as_json:
        print_json({"schema": 1, "from": today.isoformat(), "to": last.isoformat(), "days": [
            {
                "name": targets[it.location_id].label, "connecteam_id": it.location_id,
                "date": it.day.isoformat(), "currency": targets[it.location_id].currency,
                "projected": _plain(targets[it.location_id], _minor(targets[it.location_id], it)),
            } for it in found
        ]})  # fmt: skip
        return 0
    known = [it for it in found if it.projected is not None]
    if known:
        show([Column("location"), Column("date", Kind.ID), Column("currency", Kind.ID),
              Column("projected", Kind.NUMBER)],
             [[targets[it.location_id].label, it.day, targets[it.location_id].currency,
               amount_text(_minor(targets[it.location_id], it) or 0,
                           targets[it.location_id].currency)] for it in known])  # fmt: skip
    say(f"Connecteam's projected sales from {today} to {last}: {counted(len(known), 'day')}. "
        "Set them with --csv FILE.")  # fmt: skip
    return 0


def _minor(target: Target, figures: DayFigures) -> int | None:
    if figures.projected is None:
        return None
    return to_minor(figures.projected, minor_digits(target.currency))


def _plain(target: Target, amount: int | None) -> str | None:
    return None if amount is None else minor_text(amount, minor_digits(target.currency))
