"""What the steps of a repair are called in the ledger and in documents. Pure."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from tillbridge.policy import TargetPolicy
from tillbridge.reconcile.plan import (
    Adopt,
    DropCopies,
    Leave,
    PutBack,
    ReplaceDay,
    Step,
    TakeOut,
    rest_of,
)
from tillbridge.reconcile.remainder import CalendarDay


def line_of(step: Step, days: Mapping[date, CalendarDay], policy: TargetPolicy) -> dict[str, Any]:
    """What a step does, for the ledger and for documents; see docs/reconcile.md for the fields."""
    day = days.get(step.day)
    rest = 0 if day is None else rest_of(day, exclusive=policy.exclusive)
    line: dict[str, Any] = {
        "day": step.day.isoformat(), "action": action_of(step), "difference": rest,
    }  # fmt: skip
    if isinstance(step, Leave):
        line["reason"] = step.reason
    elif isinstance(step, Adopt):
        line["sales"] = len(step.sale_ids) + len(step.amended)
    elif not isinstance(step, ReplaceDay):
        line["sales"] = len(step.sale_ids)
    return line


def action_of(step: Step) -> str:
    """The name of a step's kind in documents."""
    return _ACTIONS[type(step)]


_ACTIONS: Mapping[type[Step], str] = {
    Adopt: "adopt",
    TakeOut: "take_out_and_put_back",
    PutBack: "put_back",
    DropCopies: "drop_copies",
    ReplaceDay: "replace_window",
    Leave: "leave",
}
