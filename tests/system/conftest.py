"""Sandboxes and installations for the system tests; real sockets, real processes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from system.installation import Installation, install
from tillbridge.sandbox import Sandbox, SandboxOptions

Made = tuple[Sandbox, Installation]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Made]]:
    """A served sandbox and a signed-in installation that fits it."""
    with ExitStack() as stack:

        def made(*, signed_in: bool = True, days_back: int = 1, **options: object) -> Made:
            chosen = {"sales_per_day": 60, "locations": 1, **options}
            served = stack.enter_context(Sandbox(SandboxOptions(**chosen)))
            first = served.first_day - timedelta(days=days_back)
            home = install(tmp_path, served, poll_every="1s", start=first)
            if signed_in:
                home.begin_signed_in()
            return served, home

        yield made
