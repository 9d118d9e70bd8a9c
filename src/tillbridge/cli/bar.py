"""How far a backfill is: a bar on a terminal. Elsewhere nothing, and nothing is loaded for it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tillbridge.backfill import Progress

Show = Callable[[Progress, str], None]
"""Told how far it is, and in a word what is being done."""


@contextmanager
def progress_bar() -> Iterator[Show]:
    """What to call whenever there is progress."""
    if not sys.stderr.isatty():
        yield lambda _progress, _word: None
        return
    # A terminal's bars take 4 MB, which a job that nobody watches need not have.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    figures = "{task.percentage:>3.0f} %  {task.fields[read]} read, {task.fields[posted]} posted"
    with Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(figures),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("Reading", total=1.0, read=0, posted=0)

        def show(progress: Progress, word: str) -> None:
            bar.update(
                task,
                description=word,
                completed=progress.done_share,
                read=progress.read,
                posted=progress.posted,
            )

        yield show
