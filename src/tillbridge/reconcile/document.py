"""A comparison and its repairs as plain documents, amounts as decimal strings. Pure but for types.

The fields are described in docs/reconcile.md; a test compares the two.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tillbridge.money import minor_digits, minor_text
from tillbridge.reconcile.causes import AS_INTENDED, IN_PROGRESS, Cause
from tillbridge.reconcile.figures import DayFigures
from tillbridge.reconcile.reconciler import Compared


def location_document(result: Compared) -> dict[str, Any]:
    """One Connecteam location with all its days."""
    policy = result.policy
    return {
        "name": policy.name,
        "connecteam_id": policy.connecteam_id,
        "fed_by": [place.source.name for place in result.places],
        "currency": policy.currency,
        "exclusive": policy.exclusive,
        "connecteam_zone": result.zone.key,
        "zone_observed": result.zone_observed,
        "totals_read": result.read,
        "totals_mature": result.mature,
        "stop": result.stop,
        "errors": [str(error) for error in result.errors],
        "held": [
            {"reference": gone.reference, "day": gone.day.isoformat(), "doubt": gone.part_id}
            for gone in result.vanished
        ],
        "days": [_day(figures, result) for figures in result.days],
    }


def _day(figures: DayFigures, result: Compared) -> dict[str, Any]:
    currency = result.policy.currency
    state, reason = result.states.get(figures.day, (None, ""))
    difference = figures.difference
    return {
        "day": figures.day.isoformat(),
        "state": state,
        "reason": reason or None,
        "complete": figures.complete,
        "lightspeed": _figure(figures.lightspeed, currency),
        "ledger": _figure(figures.ledger, currency),
        "ledger_calendar_day": _figure(figures.ledger_calendar, currency),
        "connecteam": (
            None if figures.connecteam is None else {"net": _text(figures.connecteam, currency)}
        ),
        "difference": None if difference is None else _text(difference, currency),
        "needs_look": figures.needs_look,
        "causes": [_cause(cause, currency) for cause in figures.causes],
    }


def _figure(figure: tuple[int, int] | None, currency: str) -> dict[str, Any] | None:
    return None if figure is None else {"sales": figure[0], "net": _text(figure[1], currency)}


def _cause(cause: Cause, currency: str) -> dict[str, Any]:
    kind = "in_progress" if cause.name in IN_PROGRESS else "needs_look"
    return {
        "name": cause.name,
        "kind": "as_intended" if cause.name in AS_INTENDED else kind,
        "amount": _text(cause.amount, currency),
        "sales": cause.sales,
        "detail": cause.detail or None,
    }


def repair_document(
    name: str, state: str, lines: Sequence[Mapping[str, Any]], currency: str
) -> dict[str, Any]:
    """What was done, or would be, at one location; `lines` are the ledger's, in minor units."""
    return {
        "location": name,
        "state": state,
        "actions": [
            {**line, "difference": _text(int(line["difference"]), currency)} for line in lines
        ],
    }


def _text(minor: int, currency: str) -> str:
    return minor_text(minor, minor_digits(currency))
