"""Which Connecteam account this ledger belongs to, by a name that gives no key away."""

from sqlalchemy import Connection, delete, insert, select

from tillbridge.ledger.schema import meta

_KEY = "connecteam_account"


def read(view: Connection) -> str | None:
    """The account that was last posted to; None before the first time."""
    found: str | None = view.execute(select(meta.c.value).where(meta.c.key == _KEY)).scalar()
    return found


def write(commit: Connection, name: str) -> None:
    """Remember the account."""
    commit.execute(delete(meta).where(meta.c.key == _KEY))
    commit.execute(insert(meta).values(key=_KEY, value=name))
