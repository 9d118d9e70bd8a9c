"""The real command run inside this process: no second is spent on starting another one.

What a command does to this process for good (log handlers) is undone afterwards.
"""

import gc
import io
import logging
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any
from unittest.mock import patch

from system.installation import TRACE, Done, Installation
from tillbridge.__main__ import main

Answer = str | Callable[[str], str]
"""A line that a person types; or how it follows from what stands on standard output."""


class Person(io.TextIOBase):
    """Standard input: each line that is asked for is the next answer."""

    def __init__(self, answers: Sequence[Answer], out: io.StringIO, *, terminal: bool) -> None:
        self._answers = iter(answers)
        self._out = out
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def readline(self, _size: int | None = -1) -> str:
        answer = next(self._answers, None)
        if answer is None:
            return ""
        return (answer if isinstance(answer, str) else answer(self._out.getvalue())) + "\n"


def inside(
    home: Installation, *words: str, answers: Sequence[Answer] = (), terminal: bool = False
) -> Done:
    """Run the command to its end.

    Args:
        home: the installation; its environment is not changed.
        words: the command's name and options.
        answers: what stands on standard input.
        terminal: whether standard input looks like one.
    """
    out, err = io.StringIO(), io.StringIO()
    with ExitStack() as stack:
        stack.enter_context(_connections_left_open())
        argv = ["tillbridge", "--config", str(home.config), *words]
        stack.enter_context(patch.object(sys, "argv", argv))
        stack.enter_context(patch.object(sys, "stdin", Person(answers, out, terminal=terminal)))
        stack.enter_context(patch.dict("os.environ", {"COLUMNS": "200", **home.env}))
        stack.enter_context(_logging_kept())
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
    done = Done(int(code or 0), out.getvalue(), err.getvalue())
    assert TRACE not in done.err, done.err
    return done


@contextmanager
def _connections_left_open() -> Iterator[None]:
    """A process that ends closes its connections; here they end unclosed, in silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        usual = gc.get_threshold()
        gc.freeze()  # only what the command makes has to be looked through
        try:
            with patch.object(gc, "freeze"):  # by the command, what it makes would be left out
                yield
        finally:
            gc.set_threshold(*usual)
            gc.collect()
            gc.unfreeze()


@contextmanager
def _logging_kept() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
