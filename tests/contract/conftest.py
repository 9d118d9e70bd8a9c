"""The vendors that the suite runs on, by name."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from contract import backends
from system.odd_vendors import OddVendors
from tillbridge.sandbox import Sandbox, SandboxOptions


def sandbox() -> Sandbox:
    return Sandbox(SandboxOptions(sales_per_day=460))


@pytest.fixture
def pools() -> Iterator[ExitStack]:
    """The connections of the clients, closed at the end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=["sandbox", "simulation, stamps", "simulation, opaque", "odd vendors"])
def lightspeed(
    request: pytest.FixtureRequest, pools: ExitStack, tmp_path: Path
) -> Iterator[backends.LightspeedSide]:
    if request.param == "sandbox":
        with sandbox() as served:
            yield backends.sandbox_lightspeed(pools, served, tmp_path)
    elif request.param == "odd vendors":
        with OddVendors({}) as vendors:
            yield backends.odd_lightspeed(pools, vendors, tmp_path)
    else:
        kind = "stamp" if request.param.endswith("stamps") else "opaque"
        yield backends.simulated_lightspeed(pools, tmp_path, kind)


@pytest.fixture(params=["sandbox", "simulation"])
def connecteam(
    request: pytest.FixtureRequest, pools: ExitStack
) -> Iterator[backends.ConnecteamSide]:
    if request.param == "sandbox":
        with sandbox() as served:
            yield backends.sandbox_connecteam(pools, served)
    else:
        yield backends.simulated_connecteam(pools)
