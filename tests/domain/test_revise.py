"""What the rules of now make of a sale that the ledger knows."""

from types import SimpleNamespace
from typing import Any

import pytest

from ledger.tools import NOON_S, record
from tillbridge.revise import Kind, judge
from tillbridge.states import SaleState

SENT = record("R1")


def row(**values: Any) -> Any:
    return SimpleNamespace(**{**SENT._asdict(), "state": SaleState.POSTED, **values})


SKIPPED = SENT._replace(
    state=SaleState.SKIPPED, sale_type=None, created_at=None, amount=None, tax_amount=None,
    currency=None, reason="left out",
)  # fmt: skip


@pytest.mark.parametrize(
    ("known", "now", "kind"),
    [
        ({}, SENT, Kind.SAME),
        ({"rules": "0-old"}, SENT, Kind.SAME),
        ({}, SENT._replace(amount=900), Kind.AMOUNT),
        ({}, SENT._replace(tax_amount=1), Kind.AMOUNT),
        ({}, SENT._replace(created_at=NOON_S - 1), Kind.TIME),
        ({}, SENT._replace(connecteam_id=9), Kind.MOVED),
        ({}, SENT._replace(connecteam_id=9, amount=900), Kind.MOVED),
        ({}, SENT._replace(sale_type="MANUAL"), Kind.OTHER),
        ({}, SENT._replace(currency="EUR"), Kind.OTHER),
        ({}, SKIPPED, Kind.LEFT_OUT),
        ({}, SENT._replace(state=SaleState.QUARANTINED), Kind.UNREADABLE),
        ({}, SENT._replace(digest=b"other", amount=900), Kind.AMENDED),
        ({"state": SaleState.WAITING}, SENT, Kind.SAME),
        ({"state": SaleState.WAITING}, SKIPPED, Kind.LEFT_OUT),
        (SKIPPED._asdict(), SKIPPED, Kind.SAME),
        (SKIPPED._asdict(), SENT, Kind.SENT),
        ({"state": SaleState.HELD}, SENT, Kind.SAME),
        ({"state": SaleState.HELD}, SKIPPED, Kind.UNDECIDED),
        ({"state": SaleState.SENDING}, SENT._replace(amount=900), Kind.UNDECIDED),
        ({"state": SaleState.IN_DOUBT}, SENT._replace(amount=900), Kind.UNDECIDED),
    ],
)
def test_each_difference_has_its_name(known: dict[str, Any], now: Any, kind: Kind):
    assert judge(row(**known), now) is kind
