"""What a start must not load or do: each of these was once a part of every start.

Seconds differ from machine to machine; what is loaded does not.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from system.conftest import Made
from system.installation import Installation, environment

# The command as installed, telling at its end how its process is.
TELLING = """
import atexit, gc, json, os, sys
def tell():
    with open(os.environ["TELL"], "w") as file:
        json.dump({
            "modules": sorted(sys.modules), "threshold": gc.get_threshold(),
            "kept": gc.get_freeze_count(), "searches": [g["collections"] for g in gc.get_stats()],
        }, file)
atexit.register(tell)
from tillbridge.__main__ import main
main()
"""

# A terminal's tables, web servers, Alembic, notifications, certificates: nothing of a start.
NEVER = {
    "alembic", "apprise", "cryptography", "multiprocessing", "requests", "rich.console",
    "starlette", "uvicorn",
}  # fmt: skip
VENDORS = {
    "httpx", "tenacity", "tillbridge.connecteam.client", "tillbridge.http",
    "tillbridge.lightspeed.client", "tillbridge.outcome", "tillbridge.wiring",
}  # fmt: skip
SERVICE = {
    "apscheduler", "tillbridge.alerting", "tillbridge.by_hand", "tillbridge.connecteam.projections",
    "tillbridge.connecteam.setup", "tillbridge.correct", "tillbridge.fitting",
    "tillbridge.learning", "tillbridge.lightspeed.signing_in", "tillbridge.reconcile",
    "tillbridge.scheduler", "tillbridge.sync",
}  # fmt: skip


def told_by(home: Installation, *words: str, **env: str) -> dict:
    tell = home.folder / "told.json"
    subprocess.run(
        [sys.executable, "-c", TELLING, "--config", str(home.config), *words],
        env=environment({"TELL": str(tell), **env}), check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return json.loads(tell.read_text())


@pytest.fixture
def home(make: Callable[..., Made]) -> Installation:
    _, made = make(sales_per_day=5)
    return made


def test_each_command_loads_only_what_it_uses(home: Installation):
    backfill = set(
        told_by(home, "backfill", "--from", "2020-01-01", "--to", "2020-01-02")["modules"]
    )
    assert backfill >= VENDORS
    assert not backfill & (NEVER | SERVICE)

    status = set(told_by(home, "status", "--json")["modules"])
    assert "tillbridge.ledger.store" in status
    assert not status & (NEVER | SERVICE | VENDORS)

    once = set(told_by(home, "once")["modules"])
    assert once >= VENDORS | {"tillbridge.correct", "tillbridge.reconcile"}
    assert not once & (NEVER | {"apscheduler", "tillbridge.alerting"})


def test_garbage_is_hardly_looked_for_during_the_start_and_as_usual_after_it(home: Installation):
    told = told_by(home, "backfill", "--from", "2020-01-01", "--to", "2020-01-02")
    assert told["threshold"] == [700, 10, 10]
    assert told["kept"] > 50_000  # what has been imported is not looked through again
    young, _, whole = told["searches"]
    assert young < 100  # 200 with Python's own habits
    assert whole == 0


def test_no_plugin_of_pydantic_is_loaded_and_shown_the_secrets(home: Installation):
    marker = home.folder / "seen"
    packages = home.folder / "packages"
    about = packages / "spy-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: spy\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[pydantic]\nspy = spy:plugin\n")
    (packages / "spy.py").write_text(f"open({str(marker)!r}, 'w').close()\nplugin = None\n")
    path = os.pathsep.join(filter(None, [str(packages), os.environ.get("PYTHONPATH")]))
    told_by(home, "once", PYTHONPATH=path)
    assert not marker.exists()
