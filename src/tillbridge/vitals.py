"""The figures that health is judged by, as plain values. Pure.

`gauges` reads them, `health` judges them. Ages and spans are in seconds.
"""

from collections.abc import Sequence

from msgspec import Struct


class PlaceFigures(Struct, frozen=True):
    """A location. Ages in seconds; None where there is nothing to measure.

    Attributes:
        key: Lightspeed's id.
        name: as configured.
        is_due: it is to be read: configured, enabled, and its last day is not over.
        paused: by a person.
        stop: the name of what keeps posting from going on.
        stop_reason: the same in words.
        waiting: sales read and not sent.
        held: sales that only a person can decide.
        quarantined: sales that cannot be sent as they are.
        read_age_s: since the last read that came to its end.
        error: why the last read did not.
        waiting_age_s: since the live sale was read that has been waiting longest.
        behind_s: by how much the newest sale posted is older than the newest known.
        doubt_age_s: since the oldest request was sent whose outcome is unknown.
        compared_age_s: since its past days were last compared with both vendors.
    """

    key: int
    name: str
    is_due: bool = True
    paused: bool = False
    stop: str | None = None
    stop_reason: str | None = None
    waiting: int = 0
    held: int = 0
    quarantined: int = 0
    read_age_s: float | None = None
    error: str | None = None
    waiting_age_s: float | None = None
    behind_s: float | None = None
    doubt_age_s: float | None = None
    compared_age_s: float | None = None


class SignIn(Struct, frozen=True):
    """The Lightspeed sign-in.

    Attributes:
        trouble: why there is none that can be used; None if there is one.
        ends_in_s: until it ends if it is not used; None where it has no countdown.
        lasts_s: how long it had when it was last renewed; None as above.
        answer_lost: whether the last renewal may or may not have been carried out.
    """

    trouble: str | None = None
    ends_in_s: float | None = None
    lasts_s: float | None = None
    answer_lost: bool = False


class Quota(Struct, frozen=True):
    """Connecteam's requests of the present day.

    Attributes:
        left: how many this installation may still send.
        allowed: how many it may send in a day.
        reset_in_s: until the day ends, as Connecteam counts it.
    """

    left: int
    allowed: int
    reset_in_s: float


class Disk(Struct, frozen=True):
    """Where the ledger is.

    Attributes:
        folder: for the message.
        free_bytes: that this user may still write.
        ledger_bytes: the ledger's size; an upgrade puts a copy of it beside it.
    """

    folder: str
    free_bytes: int
    ledger_bytes: int


class Standing(Struct, frozen=True):
    """An alarm of the service that stands: credentials refused, days that differ, and the like.

    Attributes:
        cause: tells it from others.
        sentence: what is so.
        remedy: what to do.
    """

    cause: str
    sentence: str
    remedy: str


class Figures(Struct, frozen=True):
    """All that health is judged by.

    Attributes:
        places: one entry per location.
        sign_in: at Lightspeed; None where the account does not matter (no location is due).
        quota: of the day; None until Connecteam has said something about it.
        disk: None if it cannot be told.
        poll_every_s: as configured.
        batch_age_s: how long a sale may wait for company, where that is configured.
        shares_account: another installation on this machine uses the same Connecteam account.
        standing: alarms of the service that no other figure here would show.
    """

    places: Sequence[PlaceFigures]
    sign_in: SignIn | None = None
    quota: Quota | None = None
    disk: Disk | None = None
    poll_every_s: float = 300.0
    batch_age_s: float = 0.0
    shares_account: bool = False
    standing: Sequence[Standing] = ()
