"""Plain sentences for sales that are on their way: sent but not confirmed, or still waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from tillbridge.cli.options import counted, say
from tillbridge.days import from_epoch_ms
from tillbridge.ledger import corrections, status
from tillbridge.ledger.removals import ASKED_FOR, Purpose
from tillbridge.ledger.schema import batch, part
from tillbridge.ledger.store import Ledger
from tillbridge.states import PartState

if TYPE_CHECKING:  # `status` looks here too, and delivers nothing
    from tillbridge.recording import Delivered


def not_yet_posted(ledger: Ledger) -> list[str]:
    """One sentence for each request in doubt, and for each location where sales wait for no
    reason that a person could put right.
    """
    with ledger.view() as view:
        places = status.of_locations(view)
        names = {place["connecteam_id"]: place["name"] for place in places}
        return unconfirmed(view, names) + [
            f"{place['name']}: {counted(place['waiting'], 'sale')} waiting to be posted."
            for place in places
            if place["waiting"] and not place["stop"] and not place["paused"]
        ]


def say_posting_trouble(delivered: Delivered, ledger: Ledger, *, posts: bool) -> int:
    """Say what keeps sales from being posted now, other than what needs a person.

    Returns:
        77 or 69, or 0 if nothing does.
    """
    if not posts:
        return 0
    if delivered.refused is not None:
        say(
            f"Connecteam refused the credentials: {delivered.refused}. Put a valid API key with "
            "the right to write sales data where [connecteam] names it."
        )
        return 77
    waits = not_yet_posted(ledger)
    if delivered.quota_wait_s is not None:
        say(
            "The share of Connecteam's quota is used; the rest goes out with a run in "
            f"{counted(round(delivered.quota_wait_s), 'second')} or later."
        )
    elif delivered.trouble is not None:
        say(
            f"Connecteam gave no usable answer ({delivered.trouble}); nothing is lost. Run it "
            "again later; if that stays, `tillbridge check` looks at the connection."
        )
    elif not waits:
        return 0
    for sentence in waits:
        say(sentence)
    return 69


def unconfirmed(view: Connection, names: dict[int, str]) -> list[str]:
    """The requests whose outcome is not known yet, by the time at which they were sent."""
    rows = view.execute(
        select(part.c.connecteam_id, part.c.row_count, batch.c.started_ms)
        .join(batch, batch.c.id == part.c.batch_id)
        .where(part.c.state == PartState.DOUBT)
        .order_by(part.c.id)
    )
    return [
        f"{names.get(row.connecteam_id, row.connecteam_id)}: {counted(row.row_count, 'sale')} sent "
        f"at {from_epoch_ms(row.started_ms):%H:%M} UTC not confirmed by Connecteam yet; its totals "
        "will show what became of them, and nothing is sent twice."
        for row in rows
    ]


def asked_for(view: Connection, names: dict[int, str]) -> list[str]:
    """What a person asked to be changed at Connecteam and is not done yet."""
    words = {Purpose.PURGE: "taken out of Connecteam", Purpose.RULES: "changed in history"}
    return [
        f"{names.get(key, key)}: {counted(count, 'sale')} still to be {words[purpose]}, as asked "
        f"for with `tillbridge {purpose}`."
        for purpose in ASKED_FOR
        for key, count in sorted(corrections.count_asked_for(view, purpose).items())
    ]
