"""What the configuration decides for writing and comparing, as plain values. Pure."""

from collections.abc import Mapping
from datetime import time
from zoneinfo import ZoneInfo

from msgspec import Struct

from tillbridge.doubt import Patience

FIRST_PATIENCE_S = 3600.0
"""How long totals may lag as long as nothing has been observed."""

MIN_OBSERVATIONS = 5
_LAG_FACTOR = 5
_LAG_FLOOR_S = 120.0


class TargetPolicy(Struct, frozen=True):
    """One Connecteam location.

    Attributes:
        connecteam_id: its id.
        name: for people; several Lightspeed locations that feed it are named together.
        currency: of its totals.
        zone: the location's time zone, of several the first one's; Connecteam's own day may be
            in another.
        exclusive: only tillbridge writes there.
        may_replace: exclusive, and `when_unclear = "replace"`.
        other_zones: those of further Lightspeed locations that feed it, where they differ.
    """

    connecteam_id: int
    name: str
    currency: str
    zone: ZoneInfo
    exclusive: bool
    may_replace: bool
    other_zones: tuple[ZoneInfo, ...] = ()

    @property
    def day_zones(self) -> tuple[ZoneInfo, ...]:
        """The zones that Connecteam may count its days in, as long as its totals have not shown
        which: that of any location that feeds it, and UTC. Each once, the likeliest first.
        """
        known = {zone.key: zone for zone in (self.zone, *self.other_zones, ZoneInfo("UTC"))}
        return tuple(known.values())


class DoubtPolicy(Struct, frozen=True):
    """`wait_s` is T; `patience_s` is L, or None where it is learned from what was observed."""

    wait_s: float
    patience_s: float | None

    def patience(self, lag_worst_s: float | None, lag_count: int) -> Patience:
        """T and L for one location.

        Args:
            lag_worst_s: longest lag of its totals seen so far.
            lag_count: how many lags have been observed.
        """
        if self.patience_s is not None:
            return Patience(self.wait_s, self.patience_s)
        if lag_count < MIN_OBSERVATIONS or lag_worst_s is None:
            return Patience(self.wait_s, FIRST_PATIENCE_S)
        learned = max(_LAG_FLOOR_S, _LAG_FACTOR * lag_worst_s)
        return Patience(
            self.wait_s, min(FIRST_PATIENCE_S, learned) if lag_worst_s < 600 else learned
        )


class NightPlan(Struct, frozen=True):
    """When, how far back, and whether differences are put right by themselves.

    Attributes:
        at: local time of each place, by the ledger's id: after its business day's cut-off.
        back_days: how many days are compared, yesterday included.
        repairs: at exclusive locations, differences are put right.
    """

    at: Mapping[int, time]
    back_days: int
    repairs: bool
