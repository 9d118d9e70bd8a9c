"""Plain sentences for sales that are on their way: sent but not confirmed, or still waiting."""

from sqlalchemy import Connection, select

from tillbridge.cli.options import counted
from tillbridge.days import from_epoch_ms
from tillbridge.ledger import status
from tillbridge.ledger.schema import batch, part
from tillbridge.ledger.store import Ledger
from tillbridge.states import PartState


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
