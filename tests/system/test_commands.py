"""What every command owes its callers: help without weight, one JSON document, plain words."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from system.conftest import Made
from system.installation import COMMAND, environment, run

# Typer itself loads pydantic and the name of rich.
HEAVY = (
    "httpx",
    "sqlalchemy",
    "apscheduler",
    "alembic",
    "starlette",
    "uvicorn",
    "rich.console",
    "cryptography",
    "http.server",
)
COMMANDS = (
    "", "run", "once", "backfill", "status", "authorize", "explain", "settle", "sandbox", "demo",
    "locations", "locations list", "locations match", "locations create", "check", "init",
    "quarantine", "quarantine list", "doubts list", "config", "config show",
)  # fmt: skip
COUNTS = ("posted", "waiting", "sending", "in_doubt", "held", "quarantined", "skipped", "dropped",
          "removed")  # fmt: skip
MONEY = {"net", "tax", "amount", "tax_amount", "service_charge", "total"}


def pairs_of(document: Any) -> Iterator[tuple[str, Any]]:
    """Every name and value of a document, however deep."""
    if isinstance(document, list):
        for item in document:
            yield from pairs_of(item)
    elif isinstance(document, dict):
        for name, value in document.items():
            yield name, value
            yield from pairs_of(value)


def test_help_loads_no_heavy_library():
    # All in one process: a module that any of them loads stays loaded.
    code = f"""
import sys
from tillbridge.__main__ import main
for words in {COMMANDS!r}:
    sys.argv = ["tillbridge", *words.split(), "--help"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, (words, end.code)
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stderr.strip() == "[]"
    assert done.stdout.count("Usage:") == len(COMMANDS)


def test_the_version_is_told():
    assert run("--version").out.startswith("tillbridge ")


@pytest.mark.parametrize("words", ["nonsense", "once --nonsense", "settle x --reason y"])
def test_a_wrong_call_ends_with_2(words: str):
    assert run(*words.split()).code == 2


def test_status_tells_what_the_contract_says(make: Callable[..., Made]):
    sandbox, home = make(locations=2)
    assert home.call("once").code == 0
    done = home.call("status", "--json")
    assert done.code == 0
    document = done.json
    assert document["schema"] == 1
    assert document["healthy"] is True
    assert set(document["quota"]) == {"minute", "day"}
    for place in document["locations"]:
        assert {"name", "cursor", "last_read_at", "last_posted_at", *COUNTS} <= place.keys()
        assert place["seen"] == sum(place[name] for name in COUNTS) > 0
        assert place["cursor"].endswith("Z")
    assert len(document["locations"]) == 2
    plain = home.call("status")
    assert plain.code == 0
    for place in sandbox.locations:
        assert place.name in plain.out


def test_every_json_is_one_document_with_amounts_as_text(make: Callable[..., Made]):
    sandbox, home = make()
    assert home.call("once").code == 0
    reference = sandbox.connecteam_ids(sandbox.locations[0].connecteam_id)[0]
    for words in (("status",), ("quarantine", "list"), ("doubts", "list"), ("locations", "list"),
                  ("explain", reference)):  # fmt: skip
        done = home.call(*words, "--json")
        assert done.code == 0, done.err
        assert done.json["schema"] == 1
        for name, value in pairs_of(done.json):
            if name in MONEY:
                assert isinstance(value, str), (name, value)
    plain = home.call("explain", reference)
    assert reference in plain.out
    assert "Lightspeed: net" in plain.out


def test_commands_before_the_first_pass_say_what_to_do(make: Callable[..., Made]):
    _, home = make(signed_in=False)
    for words in ("status", "quarantine list", "doubts list"):
        done = home.call(*words.split())
        assert done.code == 2
        # With the words that lead to this installation and no other.
        assert f"Run `tillbridge --config {home.config} once`" in done.words


def test_locations_of_both_sides_are_listed(make: Callable[..., Made]):
    sandbox, home = make(locations=2)
    document = home.call("locations", "list", "--json").json
    ids = {place.lightspeed_id for place in sandbox.locations}
    assert {place["id"] for place in document["lightspeed"]} == ids
    assert {place["name"] for place in document["connecteam"]} >= {
        place.name for place in sandbox.locations
    }


def test_the_configuration_is_found_by_option_before_or_after_and_by_environment(
    make: Callable[..., Made],
):
    _, home = make(signed_in=False)
    shown = home.call("config", "show")
    assert shown.code == 0
    assert "[hidden]" in shown.out
    assert run("config", "show", "--config", str(home.config)).out == shown.out
    assert run("config", "show", env={"TILLBRIDGE_CONFIG": str(home.config)}).out == shown.out


def test_the_sandbox_serves_what_it_announces_until_it_is_interrupted(tmp_path: Path):
    words = [*COMMAND, "sandbox", "--locations", "1", "--folder", str(tmp_path)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout is not None
        announced = ""
        while "Ctrl-C" not in announced:
            line = process.stdout.readline()
            assert line, process.communicate()
            announced += line
        config = re.search(r"Config: +(.*)", announced)
        token = re.search(r"echo (\S+) \| tillbridge", announced)
        assert config
        assert token
        told = ("--config", config[1])
        assert run(*told, "authorize", "--import-refresh-token", "-", text=token[1]).code == 0
        assert run(*told, "once").code == 0
        assert run(*told, "status", "--json").json["locations"][0]["posted"] > 1000
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert run("sandbox", "--plan", "huge").code == 2
    assert run("sandbox", "--days", "0").code == 2
