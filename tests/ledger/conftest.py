"""A shop with a real ledger in a folder of its own, checked after every test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.tools import Shop, StillClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def shop(path: Path, clock: StillClock) -> Iterator[Shop]:
    opened = Shop(path, clock)
    yield opened
    opened.check()
    opened.ledger.close()
