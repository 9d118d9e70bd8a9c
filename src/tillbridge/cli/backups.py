"""`backup` and `restore`: the ledger as a file, without the sign-in and the high-water mark."""

from pathlib import Path

from tillbridge.cli.options import Common, counted, say
from tillbridge.clock import SystemClock
from tillbridge.errors import LockHeld, UsageError
from tillbridge.ledger import copying
from tillbridge.lock import PostingLock
from tillbridge.watermark import Watermark


def backup(common: Common, file: Path) -> int:
    """A copy as of now; the service may go on."""
    path = common.ledger_path(common.load(as_owner=False))
    if not path.exists():
        raise UsageError(f"There is no ledger at {path} yet.", "Nothing has to be saved yet.")
    copied = copying.copy_out(path, file.absolute())
    say(f"{counted(copied.sales, 'sale')} saved in {file}. The sign-in is no part of it.")
    return 0


def restore(common: Common, file: Path) -> int:
    """Exit 3 if posting will wait for a person, because the copy is older than what was posted."""
    path = common.ledger_path(common.load(as_owner=False))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = PostingLock(path)
    if not lock.try_acquire():
        raise LockHeld(
            "The service, or another command, is using this ledger.",
            "Stop it first (`systemctl stop tillbridge`), then restore.",
        )
    try:
        mark = Watermark(path).read()
        stamp = f"{SystemClock().now():%Y%m%d-%H%M%S}"
        aside = copying.put_in_place(file.absolute(), path, stamp)
        put = copying.inspect(path, path)
    finally:
        lock.release()
    say(f"{counted(put.sales, 'sale')} are known again.")
    if aside is not None:
        say(f"The ledger that was there is kept as {aside}.")
    if mark.generation <= put.generation and mark.batch_id <= put.newest_batch:
        say("Nothing was posted since this copy was made; start the service again.")
        return 0
    if mark.batch_id <= put.newest_batch:
        say(
            "This copy knows the newest request that was ever sent, but a process has begun to "
            "post since it was made. The next start compares Connecteam's totals with it first, "
            "and goes on where they agree; `tillbridge status` names where they do not."
        )
        return 3
    say(
        "Sales were posted since this copy was made, so it does not know that they are in "
        "Connecteam. After the next start, sales are read but nothing is posted (old_ledger), "
        'until a person decides; docs/operations.md, "Backups, and restoring", says how.'
    )
    return 3
