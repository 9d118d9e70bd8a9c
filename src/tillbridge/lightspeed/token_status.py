"""What a stored sign-in tells about itself, without using anything of it up. Pure."""

from datetime import datetime, timedelta

from msgspec import Struct

from tillbridge.lightspeed.tokens import TokenState

_MARGIN_S = 60.0  # an access token is not given out in its last minute
# A refresh token whose answer was lost may still be good, if the server never saw it: only the
# server's word that it was used ends it. Some bound there must be, so that no outage is a loop.
MOST_LOST = 50


class TokenStatus(Struct, frozen=True):
    """What can be said about the sign-in without using it; all times are wall time.

    Attributes:
        signed_in: there is a refresh token that may still work.
        scope: as granted; None if unknown.
        obtained_at: when the present refresh token came.
        access_expires_at: end of the access token; None if there is none, or without a lifetime.
        refresh_expires_at: end of the refresh token; None where it has no countdown.
        answer_lost: a renewal was begun whose answer is not known.
        person: who signed in; None where the server does not tell.
        next_renewal_at: from when on the next read renews the access token.
    """

    signed_in: bool
    scope: str | None = None
    obtained_at: datetime | None = None
    access_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    answer_lost: bool = False
    person: str | None = None
    next_renewal_at: datetime | None = None


def status_of(state: TokenState | None) -> TokenStatus:
    """What a stored sign-in tells; uses nothing up."""
    if state is None:
        return TokenStatus(signed_in=False)
    ends_at = None
    if state.access_token is not None and state.lifetime_s is not None:
        ends_at = state.issued_at + timedelta(seconds=state.lifetime_s)
    return TokenStatus(
        signed_in=state.lost < MOST_LOST,
        scope=state.scope,
        obtained_at=state.obtained_at,
        access_expires_at=ends_at,
        refresh_expires_at=state.refresh_expires_at,
        answer_lost=state.refreshing,
        person=state.person,
        next_renewal_at=ends_at and ends_at - timedelta(seconds=margin_s(state)),
    )


def margin_s(state: TokenState) -> float:
    """How long before its end an access token is no longer given out, in seconds."""
    # Half of a very short life, so that such a token can be used at all.
    return min(_MARGIN_S, (state.lifetime_s or 0.0) / 2)
