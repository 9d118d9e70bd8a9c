"""What the ledger holds as posted, added up: for comparisons. Reads only."""

from collections import defaultdict
from decimal import Decimal

from sqlalchemy import Connection, func, select

from tillbridge.ledger.schema import location, sale
from tillbridge.money import from_minor, minor_digits
from tillbridge.states import SaleState


def posted_by_location(view: Connection) -> dict[int, tuple[int, Decimal, Decimal]]:
    """(sales, net, tax) of the posted sales, by Lightspeed id."""
    rows = view.execute(
        select(
            location.c.lightspeed_id,
            sale.c.currency,
            func.count(),
            func.sum(sale.c.amount),
            func.sum(sale.c.tax_amount),
        )
        .join(sale, sale.c.location_id == location.c.id)
        .where(sale.c.state == SaleState.POSTED)
        .group_by(location.c.lightspeed_id, sale.c.currency)
    )
    found: dict[int, tuple[int, Decimal, Decimal]] = defaultdict(
        lambda: (0, Decimal(0), Decimal(0))
    )
    for lightspeed_id, currency, count, net, tax in rows:
        digits = minor_digits(currency)
        before = found[lightspeed_id]
        found[lightspeed_id] = (
            before[0] + count,
            before[1] + from_minor(net, digits),
            before[2] + from_minor(tax, digits),
        )
    return dict(found)
