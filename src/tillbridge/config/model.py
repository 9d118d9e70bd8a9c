"""The whole configuration as one value, and what a location is.

Only `cli` and `wiring` see it; everything else is given the few values that it needs.
"""

from datetime import date, time
from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema

from tillbridge.config.alarming import Alarms
from tillbridge.config.parsing import wrong
from tillbridge.config.sections import (
    Doubt,
    Ledger,
    Mapping,
    Reconcile,
    Section,
    ServiceCharge,
    Sync,
    WhenUnclear,
)
from tillbridge.config.values import (
    CurrencyCode,
    Day,
    Kind,
    Shown,
    Text,
    TimeOfDay,
    VendorId,
    Zone,
)
from tillbridge.config.vendors import Connecteam, Lightspeed

CONFIG_VERSION = 1


class Location(Section):
    name: Text = Field(
        description="How people call it; used on the command line and in messages. Each once.",
        examples=["Harbour Street"],
    )
    lightspeed_id: VendorId = Field(
        description="Lightspeed's id of the business location; `tillbridge locations list` shows "
        "it. Each once.",
        examples=[45454565682155],
    )
    connecteam_id: VendorId = Field(
        description="Connecteam's id of the location that gets the sales. Several may feed one.",
        examples=[123],
    )
    timezone: Zone = Field(
        description="Where the location's days begin and end: an IANA name.",
        examples=["Europe/London"],
    )
    currency: CurrencyCode = Field(
        description="ISO 4217; used for sales whose lines name none.", examples=["GBP"]
    )
    exclusive: bool = Field(
        strict=True,
        description="true if only tillbridge writes this Connecteam location, false if people or "
        "other programs enter sales there too. Be sure: tillbridge may put an exclusive location "
        "right by deleting.",
        examples=[True],
    )
    start: Day = Field(
        description="The first day to carry over, in the location's zone; earlier sales only by "
        "`tillbridge backfill`.",
        examples=[date(2026, 11, 1)],
    )
    end: Day | None = Field(
        default=None,
        description="The last day to carry over, included. No end if left out.",
        examples=[date(2027, 12, 31)],
    )
    day_starts_at: TimeOfDay = Field(
        default=time(5),
        description="When the business day begins, local time, as set at Lightspeed.",
    )
    enabled: bool = Field(
        default=True,
        strict=True,
        description="false leaves the location alone and keeps its history.",
    )
    when_unclear: WhenUnclear | None = Field(
        default=None,
        description="As in [doubt], for this location only.",
        examples=["replace"],
    )
    service_charge: ServiceCharge | None = Field(
        default=None,
        description="As in [mapping], for this location only.",
        examples=["include"],
    )


def _parse_version(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > CONFIG_VERSION:
        raise wrong(
            "This file was written for a newer version of tillbridge; this one is too old for it.",
            f"Upgrade tillbridge, or use a file with config_version = {CONFIG_VERSION}.",
        )
    if value != CONFIG_VERSION or isinstance(value, bool | float):
        raise wrong("There is no such version.", f"Write config_version = {CONFIG_VERSION}.")
    return CONFIG_VERSION


class Config(Section):
    config_version: Annotated[
        int,
        PlainValidator(_parse_version),
        WithJsonSchema({"type": "integer", "const": CONFIG_VERSION}),
        Kind("a whole number"),
    ] = Field(
        description="The version of this file's format. This tillbridge knows version 1.",
        examples=[CONFIG_VERSION],
    )
    name: Annotated[Text, Shown()] = Field(
        default="tillbridge",
        description="Names this installation in alarms, metrics and the User-Agent.",
        examples=["Harbour Group"],
    )
    lightspeed: Lightspeed = Field(description="Where sales come from.")
    connecteam: Connecteam = Field(description="Where sales go.")
    ledger: Ledger = Field(default=Ledger(), description="Where tillbridge remembers.")
    sync: Sync = Field(default=Sync(), description="How often, and how far back, sales are read.")
    doubt: Doubt = Field(
        default=Doubt(), description="What happens where Connecteam's answer was lost."
    )
    reconcile: Reconcile = Field(
        default=Reconcile(), description="The comparison of whole days, every night."
    )
    mapping: Mapping = Field(default=Mapping(), description="What a sale becomes.")
    alarms: Alarms = Field(
        default=Alarms(), description="Who is told when something needs a person."
    )
    locations: tuple[Location, ...] = Field(
        min_length=1,
        max_length=1000,
        description="One [[locations]] table for each Lightspeed business location.",
    )

    def when_unclear(self, location: Location) -> WhenUnclear:
        """What is in force at a location: its own word, else that of [doubt]."""
        return location.when_unclear or self.doubt.when_unclear

    def service_charge(self, location: Location) -> ServiceCharge:
        """What is in force at a location: its own word, else that of [mapping]."""
        return location.service_charge or self.mapping.service_charge
