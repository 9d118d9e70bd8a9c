"""One place's tills: they open accounts, add lines and number everything as Lightspeed does.

All chance comes from the generator that is handed in, so the same generator gives the same trade.
Must never read a clock.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from tillbridge.sandbox.amounts import MICRO, write_micros
from tillbridge.sandbox.places import EXTRAS, MENU, Dish, Place

Json = dict[str, Any]

_AMOUNT_FIELDS: Final = (
    "totalNetAmountWithTax",
    "totalNetAmountWithoutTax",
    "taxAmount",
    "discountAmount",
    "totalDiscountAmount",
    "serviceCharge",
    "quantity",
)
_OPTIONAL_FIELDS: Final = ("receiptId", "nbCovers", "dineIn", "source", "externalReferences")


def stamp(epoch_ms: int) -> str:
    """UTC, with as many fraction digits as needed, none to three: their number varies."""
    moment = datetime.fromtimestamp(epoch_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{epoch_ms % 1000:03d}".rstrip("0")
    return f"{moment}.{fraction}Z" if fraction else f"{moment}Z"


@dataclass(slots=True)
class Till:
    """Opens accounts at one place.

    Attributes:
        rng: the only source of chance.
        device: the number in `A<device>.<n>`.
        number: the last number given; accounts, lines and receipts count together.
    """

    place: Place
    rng: Random
    device: int
    number: int = 0

    def next_id(self, letter: str) -> str:
        self.number += 1
        return f"{letter}{self.device}.{self.number}"

    def account(
        self,
        kind: str,
        lines: Sequence[Json],
        *,
        closed_ms: int,
        open_for_s: int = 2400,
        previous: Json | None = None,
    ) -> Json:
        """A closed account. `previous` is the account that this one corrects or goes on from."""
        fisc_id = self.next_id("A")
        source: Json = {"initialAccountId": fisc_id}
        if previous is not None:
            before = previous["accountFiscId"]
            first = (previous.get("source") or {}).get("initialAccountId", before)
            source = {"initialAccountId": first, "previousAccountId": before}
        sale: Json = {
            "accountReference": base64.urlsafe_b64encode(self.rng.randbytes(16)).decode(),
            "accountFiscId": fisc_id,
            "receiptId": self.next_id("R"),
            "source": source,
            "salesLines": list(lines),
            "timeOfOpening": stamp(closed_ms - open_for_s * 1000),
            "timeClosed": stamp(closed_ms),
            "type": kind,
            "externalReferences": [],
            "nbCovers": float(self.rng.randint(1, 6)),
            "dineIn": self.rng.random() < 0.8,
            "deviceId": self.device,
            "deviceName": f"Till {self.device % 10}",
        }
        self._leave_out(sale, keep_source=previous is not None)
        return sale

    def _leave_out(self, sale: Json, *, keep_source: bool) -> None:
        # Any field but the ones that identify a sale may be absent or null (contract).
        for name in _OPTIONAL_FIELDS:
            chance = self.rng.random()
            if name == "source" and keep_source:
                continue
            if chance < 0.04:
                del sale[name]
            elif chance < 0.06:
                sale[name] = None

    def order(self, *, at_ms: int) -> list[Json]:
        """The lines of one table: dishes, extras as child lines, now and then a voided dish."""
        lines: list[Json] = []
        off_percent = 10 if self.rng.random() < 0.06 else 0
        for dish in self.rng.choices(MENU, k=self.rng.randint(1, 5)):
            line = self.line(dish, at_ms=at_ms, off_percent=off_percent)
            lines.append(line)
            if self.rng.random() < 0.12:
                extra = self.rng.choice(EXTRAS)
                lines.append(self.line(extra, at_ms=at_ms, parent=line["id"]))
            if self.rng.random() < 0.03:
                lines.append(self.reverse(line, void_reason="Unhappy Client"))
        if self.rng.random() < 0.08:
            # Old-style service charge: beside the net amount, not in it.
            lines[0]["serviceCharge"] = "1.00"
            lines[0]["serviceChargeRate"] = "10.00"
        return lines

    def line(
        self, dish: Dish, *, at_ms: int, parent: str | None = None, off_percent: int = 0
    ) -> Json:
        """One sold item; all amounts are after the discount, as Lightspeed reports them."""
        thousandths = self._thousandths(dish)
        price = dish.cents * self.place.unit * (MICRO // 100)
        if not self.place.minor_digits:
            price -= price % MICRO
        full = price * thousandths // 1000
        paid = full * (100 - off_percent) // 100
        food = dish.group == "Food"
        rate = self.place.food_tax if food else self.place.drink_tax
        net, tax = split_tax(paid, rate, included=self.place.tax_included)
        line: Json = {"id": self.next_id("S")}
        if parent is not None:
            line["parentLineId"] = parent
        line |= {
            "totalNetAmountWithTax": write_micros(paid),
            "totalNetAmountWithoutTax": write_micros(net),
            "menuListPrice": write_micros(price),
            "unitCostPrice": write_micros(price // 3 // 10_000 * 10_000),
            "serviceCharge": "0.00",
            "discountAmount": write_micros(full - paid),
            "totalDiscountAmount": write_micros(full - paid),
            "taxCode": f"VAT{rate // 100}",
            "taxAmount": write_micros(tax),
            "taxRatePercentage": f"{rate // 100}.{rate % 100:02d}",
            "taxLines": [self._tax_line(rate, tax)],
            "sku": str(dish.cents),
            "name": dish.name,
            "statisticGroup": dish.group,
            "quantity": f"{thousandths // 1000}.{thousandths % 1000:03d}",
            "accountingGroup": self._group(dish.group),
            "currency": self.place.currency,
            "tags": [],
            "categories": [{"category": "default", "value": dish.group}],
            "timeOfSale": stamp(at_ms),
            "deviceId": self.device,
        }
        if off_percent:
            line |= {"discountType": "DISCOUNT", "discountCode": "10PCT", "discountName": "Loyal"}
        return line

    def reverse(self, line: Json, *, void_reason: str = "") -> Json:
        """The line that takes another one back: a new id, every amount with the other sign."""
        back = dict(line)
        back["id"] = self.next_id("S")
        for name in _AMOUNT_FIELDS:
            back[name] = negative(line[name])
        back["taxLines"] = [
            {**tax_line, "taxAmount": negative(tax_line["taxAmount"])}
            for tax_line in line["taxLines"]
        ]
        if void_reason:
            back["voidReason"] = void_reason
        return back

    def again(self, line: Json) -> Json:
        """The same item on another account."""
        return {**line, "id": self.next_id("S")}

    def _thousandths(self, dish: Dish) -> int:
        if dish.by_weight:
            return self.rng.randint(180, 1250)
        # Half portions of odd prices give the amounts on which rounding half-even is seen.
        return self.rng.choices((1000, 2000, 500), weights=(82, 12, 6))[0]

    def _tax_line(self, rate: int, tax: int) -> Json:
        return {
            "taxId": str(41910290874000 + rate),
            "taxCode": f"VAT{rate // 100}",
            "taxRate": f"1.{rate:04d}".rstrip("0"),
            "taxAmount": write_micros(tax),
            "taxIncluded": self.place.tax_included,
        }

    def _group(self, name: str) -> Json:
        number = sum(name.encode())
        return {
            "accountingGroupId": 141948669132000 + number,
            "name": name,
            "statisticGroup": name,
            "code": str(number),
        }


def split_tax(paid: int, rate: int, *, included: bool) -> tuple[int, int]:
    """Net and tax in millionths of an amount paid; `rate` in hundredths of a percent."""
    if included:
        tax = (2 * paid * rate + 10_000 + rate) // (2 * (10_000 + rate))
        return paid - tax, tax
    return paid, (2 * paid * rate + 10_000) // 20_000


def negative(amount: str) -> str:
    """The amount with the other sign; zero stays as it is."""
    if amount.startswith("-"):
        return amount[1:]
    return f"-{amount}" if amount.strip("0.") else amount
