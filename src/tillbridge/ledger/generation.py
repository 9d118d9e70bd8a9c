"""The ledger's own side of the high-water mark (see `watermark`), to notice an old ledger."""

from sqlalchemy import Connection, delete, func, insert, select

from tillbridge.ledger.schema import batch, meta

_KEY = "generation"


def read(view: Connection) -> int:
    """The generation that this ledger last saw; 0 if it never posted."""
    value = view.execute(select(meta.c.value).where(meta.c.key == _KEY)).scalar_one_or_none()
    return 0 if value is None else int(value)


def write(commit: Connection, value: int) -> None:
    commit.execute(delete(meta).where(meta.c.key == _KEY))
    commit.execute(insert(meta).values(key=_KEY, value=str(value)))


def newest_batch(view: Connection) -> int:
    """The id of the newest request; 0 if there is none."""
    return int(view.execute(select(func.coalesce(func.max(batch.c.id), 0))).scalar_one())
