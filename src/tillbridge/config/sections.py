"""The tables of the configuration that are ours: each key's type, default and explanation.

The sample, the reference and the JSON schema are generated from here, so a description is written
for the person who edits the file. Names are those of the file; durations are seconds once read.
Nothing here compares two keys (see `checks`).
"""

from datetime import time
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from tillbridge.config.values import (
    AutoSeconds,
    Kind,
    PositiveSeconds,
    SaleTypeName,
    Seconds,
    Text,
    TimeOfDay,
    WholePath,
)

WhenUnclear = Literal["hold", "replace"]
ServiceCharge = Literal["exclude", "include"]
SendOrSkip = Literal["send", "skip"]


class Section(BaseModel):
    """The base of all tables: unknown keys are errors, and nothing changes after reading."""

    # The input never appears in pydantic's own texts either: it may be a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Ledger(Section):
    path: WholePath | None = Field(
        default=None,
        description="The database that remembers every sale. On a local disk, never on a network "
        "share. Stands in the state directory, as ledger.db, if left out.",
        examples=["/var/lib/tillbridge/ledger.db"],
    )
    keep_events: PositiveSeconds = Field(
        default=34_560_000.0,
        description="How long the steps of a sale's story are kept; `tillbridge explain` tells "
        "less of older sales. The sales themselves are kept for ever: forgetting one would post "
        "it again if Lightspeed reported it again.",
    )
    keep_readings: PositiveSeconds = Field(
        default=7_776_000.0,
        description="How long Connecteam's totals are kept that nothing is compared with any more.",
    )
    keep_payloads: PositiveSeconds = Field(
        default=15_552_000.0,
        description="How long a sale in quarantine keeps what Lightspeed said of it. Afterwards "
        "it stays in quarantine, and has to be read again before it can be tried again.",
    )


class RescanEvery(Section):
    """Read again so many seconds back, each time that so many seconds have passed."""

    every: PositiveSeconds
    back: PositiveSeconds


class RescanAt(Section):
    """Read again so many seconds back, daily at a time of the location's day."""

    at: TimeOfDay
    back: PositiveSeconds


def _rescan_tag(value: object) -> str | None:
    if isinstance(value, RescanEvery | RescanAt):
        return f"<{'every' if isinstance(value, RescanEvery) else 'at'}>"
    if not isinstance(value, dict) or ("every" in value) == ("at" in value):
        return None
    return "<every>" if "every" in value else "<at>"


Rescan = RescanEvery | RescanAt
_DEFAULT_RESCANS: Any = (
    RescanEvery.model_validate({"every": "1h", "back": "12h"}),
    RescanAt.model_validate({"at": "05:30", "back": "3d"}),
    RescanEvery.model_validate({"every": "7d", "back": "35d"}),
)


class Sync(Section):
    poll_every: PositiveSeconds = Field(
        default=300.0, description="How often to ask Lightspeed for new sales."
    )
    overlap: Seconds = Field(
        default=1_800.0,
        description="How far before the last known sale each poll begins, for sales that reach "
        "Lightspeed a little late. Nothing is posted twice by it.",
    )
    rescans: Annotated[
        tuple[
            Annotated[
                Annotated[RescanEvery, Tag("<every>")] | Annotated[RescanAt, Tag("<at>")],
                Discriminator(
                    _rescan_tag,
                    custom_error_type="tillbridge_rescan",
                    custom_error_message="A rescan has either every or at.",
                ),
            ],
            ...,
        ],
        Kind("a list of rescans"),
    ] = Field(
        default=_DEFAULT_RESCANS,
        max_length=20,
        description="Longer looks back, for tills that were offline: `every` so often, or `at` a "
        "time of the location's day, read again so far `back`.",
    )
    max_batch_age: AutoSeconds = Field(
        default="auto",
        description="How long a sale may wait for others to share its request. auto: at once on "
        "big Connecteam plans, some minutes on the small one.",
    )


class Doubt(Section):
    wait: Seconds = Field(
        default=120.0,
        description="The longest that a request may still act at Connecteam after we gave up on "
        "it. Not shorter than Connecteam's `timeout`.",
    )
    patience: AutoSeconds = Field(
        default="auto",
        description="The longest that Connecteam's daily totals lag behind. auto: an hour until "
        "observed, then a multiple of the worst seen.",
    )
    when_unclear: WhenUnclear = Field(
        default="hold",
        description="What to do where the totals do not tell whether sales arrived. hold: a "
        "person decides. replace: delete the period at Connecteam and post it again; only at "
        "locations that are `exclusive`.",
    )


class Reconcile(Section):
    at: TimeOfDay = Field(
        default=time(6),
        description="When the last days are compared each night, local time of each location. "
        "Not before `day_starts_at` and a quarter of an hour.",
    )
    back: PositiveSeconds = Field(
        default=691_200.0, description="How far back the nightly comparison reaches."
    )
    repair: Literal["never", "exclusive"] = Field(
        default="never",
        description="Whether differences are put right without being asked. exclusive: at "
        "locations that are `exclusive`. A person can ask for it anywhere: "
        "`tillbridge reconcile --repair`.",
    )


class Mapping(Section):
    service_charge: ServiceCharge = Field(
        default="exclude",
        description="Whether the service charge of a line (the old style, beside the amount) is "
        "added to the sale's amount.",
    )
    unknown_type: Literal["quarantine", "manual"] = Field(
        default="quarantine",
        description="What becomes of a sale whose type is new to Connecteam. quarantine: set "
        "aside for a person. manual: sent as MANUAL.",
    )
    after_midnight: Literal["keep", "business_day"] = Field(
        default="keep",
        description="The time on sales closed after midnight. keep: their own. business_day: "
        "before the location's `day_starts_at`, the last second of the evening's date, so that "
        "Connecteam counts them to the evening.",
    )
    sale_types: dict[SaleTypeName, SendOrSkip] = Field(
        default_factory=dict,
        description="Types of sale that are left out; every type that is not named is sent. "
        "Leaving types out makes the revenue wrong, except for those without amounts.",
        examples=[{"FLOAT": "skip"}],
    )
    accounting_groups: dict[Text, SendOrSkip] = Field(
        default_factory=dict,
        description="Accounting groups, by name or code, whose lines are left out of the amounts: "
        "gift cards, deposits.",
        examples=[{"Gift cards": "skip"}],
    )
