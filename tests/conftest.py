"""What holds for all tests."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """A simulation silences the logs of its process, and the next test may listen to them."""
    yield
    structlog.reset_defaults()
