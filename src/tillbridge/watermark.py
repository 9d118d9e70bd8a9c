"""The high-water mark beside the ledger: how far posting has come on this machine.

It is raised whenever a process begins to post and with every request, and it is never part of a
backup. A ledger that lies behind it is an old copy, and would send again what it has forgotten.
"""

import os
from pathlib import Path

from msgspec import Struct

_WIDTH = 64


class Mark(Struct, frozen=True):
    """How far posting has come.

    Attributes:
        generation: how often a process has begun to post.
        batch_id: the newest request that was about to be sent.
        wall_ms: when that was, epoch milliseconds.
    """

    generation: int = 0
    batch_id: int = 0
    wall_ms: int = 0


class Watermark:
    """The file `<ledger>.generation`; only the holder of the posting lock writes it."""

    def __init__(self, ledger_path: Path) -> None:
        self.path = ledger_path.with_name(ledger_path.name + ".generation")

    def read(self) -> Mark:
        """The mark; all zeros where there is none, as on a machine that the ledger was moved to."""
        try:
            numbers = [int(word) for word in self.path.read_text(encoding="ascii").split()]
        except (FileNotFoundError, ValueError):
            return Mark()
        return Mark(*numbers[:3])

    def write(self, mark: Mark, *, durable: bool) -> None:
        """Replace the mark.

        Args:
            mark: the new one.
            durable: wait for the disk. With each request that would cost more than it gives: after
                a power cut an older mark only notices less.
        """
        text = f"{mark.generation} {mark.batch_id} {mark.wall_ms}".ljust(_WIDTH - 1) + "\n"
        file = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, text.encode("ascii"), 0)
            os.ftruncate(file, _WIDTH)
            if durable:
                os.fsync(file)
        finally:
            os.close(file)
