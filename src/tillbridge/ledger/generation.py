"""The ledger's own side of the high-water mark (see `watermark`), to notice an old ledger."""

from sqlalchemy import Connection, delete, func, insert, select

from tillbridge.ledger.schema import batch, meta

_KEY = "generation"
_OLD_UNTIL = "old_until_batch"


def read(view: Connection) -> int:
    """The generation that this ledger last saw; 0 if it never posted."""
    return _number(view, _KEY)


def write(commit: Connection, value: int) -> None:
    _keep(commit, _KEY, value)


def note_old(commit: Connection) -> None:
    """This ledger is, or was, an old copy: of what it posted until now, another may have taken
    any transaction back and posted it anew, under an id that nobody knows.
    """
    _keep(commit, _OLD_UNTIL, newest_batch(commit))


def old_until_batch(view: Connection) -> int:
    """The last request whose transactions may have other ids by now; 0 if there is none."""
    return _number(view, _OLD_UNTIL)


def _number(view: Connection, key: str) -> int:
    value = view.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()
    return 0 if value is None else int(value)


def _keep(commit: Connection, key: str, value: int) -> None:
    commit.execute(delete(meta).where(meta.c.key == key))
    commit.execute(insert(meta).values(key=key, value=str(value)))


def newest_batch(view: Connection) -> int:
    """The id of the newest request; 0 if there is none."""
    return int(view.execute(select(func.coalesce(func.max(batch.c.id), 0))).scalar_one())


def newest_started_ms(view: Connection) -> int:
    """When the newest request was about to be sent, epoch milliseconds; 0 if there is none."""
    query = select(batch.c.started_ms).order_by(batch.c.id.desc()).limit(1)
    return int(view.execute(query).scalar_one_or_none() or 0)
