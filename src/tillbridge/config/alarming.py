"""The table [alarms]: who is told when something needs a person, and when they are left asleep."""

from typing import Annotated

from pydantic import Field

from tillbridge.config.sections import Section
from tillbridge.config.values import Kind, PositiveSeconds, Secret, TimeOfDay, Zone

Addresses = Annotated[tuple[Secret, ...], Kind("a list of secrets")]


class Alarms(Section):
    to: Addresses = Field(
        default=(),
        max_length=20,
        description="Who gets every alarm: addresses in Apprise's notation (mailto://, slack://, "
        "msteams://, json:// and many more). An address carries a password, so each is a secret. "
        "Without any, alarms stand in the log and in `tillbridge status` only.",
        examples=[[{"credential": "alarm-mail"}]],
    )
    urgent_to: Addresses = Field(
        default=(),
        max_length=20,
        description="Who gets, besides, the critical ones, at any hour: a telephone.",
        examples=[[{"credential": "alarm-phone"}]],
    )
    remind_after: PositiveSeconds = Field(
        default=14_400.0,
        description="How long an alarm stands before it is said again. The time doubles with each "
        "reminder, up to a week.",
    )
    quiet_from: TimeOfDay | None = Field(
        default=None,
        description="When quiet hours begin. In them, warnings and reminders wait until "
        "`quiet_to`; critical alarms are sent at once.",
        examples=["22:00"],
    )
    quiet_to: TimeOfDay | None = Field(
        default=None,
        description="When quiet hours end.",
        examples=["07:00"],
    )
    timezone: Zone | None = Field(
        default=None,
        description="The zone of the quiet hours. That of the first location if left out.",
        examples=["Europe/London"],
    )
    ping_url: Secret | None = Field(
        default=None,
        description="An address that is fetched after each good pass (a dead man's switch): the "
        "service behind it tells you if it is not fetched for too long, whatever the reason. "
        "A secret, since whoever knows it can keep the switch quiet.",
        examples=[{"credential": "alarm-ping"}],
    )
