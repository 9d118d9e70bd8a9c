"""A sandbox of a small past Friday, served over real sockets."""

from collections.abc import Callable, Iterator
from datetime import date

import httpx
import pytest

from sandbox.caller import Caller
from tillbridge.sandbox import Sandbox, SandboxOptions

A_FRIDAY = date(2026, 10, 16)


@pytest.fixture
def serve() -> Iterator[Callable[..., Caller]]:
    opened: list[Caller] = []

    def open_one(**options: object) -> Caller:
        chosen = SandboxOptions(**{"day": A_FRIDAY, "sales_per_day": 300, **options})
        caller = Caller(Sandbox(chosen).__enter__(), httpx.Client())
        opened.append(caller)
        return caller

    yield open_one
    for caller in opened:
        caller.http.close()
        caller.sandbox.__exit__(None, None, None)


@pytest.fixture(scope="session")
def untouched() -> Iterator[Caller]:
    """One sandbox for all tests that write nothing: starting one takes a third of a second."""
    chosen = SandboxOptions(day=A_FRIDAY, sales_per_day=300, plan="none")
    with Sandbox(chosen) as served, httpx.Client() as http:
        yield Caller(served, http)
