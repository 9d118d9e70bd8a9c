"""A refresh token works once: six commands at once, killed at any moment, and a strict server."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from system.conftest import Made
from system.inside import inside
from system.installation import Installation, environment
from tillbridge.lightspeed.tokens import TokenFile, token_path

NURSERY = Path(__file__).with_name("nursery.py")
QUICK = {"access_ttl_s": 0.3, "lightspeed_latency_ms": 30, "plan": "none"}


def nursery(sandbox: Any, home: Installation, *, seconds: float, kill_every_s: float) -> Any:
    tokens = "\n".join(sandbox.new_refresh_token() for _ in range(200))
    done = subprocess.run(
        [sys.executable, str(NURSERY), str(home.config), str(seconds), str(kill_every_s), "1"],
        input=tokens, capture_output=True, text=True, timeout=60, check=False, env=environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_six_commands_at_once_never_send_a_token_twice(make: Callable[..., Made]):
    sandbox, home = make(**QUICK)
    told = nursery(sandbox, home, seconds=3, kill_every_s=0)
    assert told["strange"] == []
    assert told["sign_ins"] == 0
    assert told["ended"] >= 6
    assert sandbox.counters()["lightspeed.token"] > 3, "nothing was renewed"
    assert sandbox.counters().get("lightspeed.refresh_tokens_reused", 0) == 0


def test_killed_at_any_moment_the_sign_in_goes_on_or_its_loss_is_said_once(
    make: Callable[..., Made],
):
    sandbox, home = make(**QUICK)
    told = nursery(sandbox, home, seconds=4, kill_every_s=0.06)
    assert told["strange"] == []
    assert told["killed"] > 4
    # The server acted and the process died before it heard: that can only be found out by asking
    # once, and is asked again only by a process whose asker was killed before it wrote that down.
    reused = sandbox.counters().get("lightspeed.refresh_tokens_reused", 0)
    assert told["sign_ins"] <= reused <= 2 * told["sign_ins"] + 2
    assert inside(home, "locations", "list").code in (0, 77)
    inside(home, "authorize", "--import-refresh-token", "-", answers=[sandbox.new_refresh_token()])
    assert inside(home, "locations", "list").code == 0


def test_a_lost_answer_that_the_server_acted_on_is_said_and_is_no_loop(make: Callable[..., Made]):
    sandbox, home = make()
    sandbox.end_access_tokens()
    sandbox.fail_next("token", "lost-after")
    assert inside(home, "locations", "list").code == 69
    for _ in range(3):
        done = inside(home, "locations", "list")
        assert done.code == 77
        assert "was lost" in done.err
        assert "Run `tillbridge authorize`: a person must sign in again." in done.err
    assert sandbox.counters()["lightspeed.refresh_tokens_reused"] == 1
    status = inside(home, "authorize", "--status")
    assert status.code == 77
    assert "was lost" in status.err


@pytest.mark.parametrize("leftover", ["", "{", '{"version": 1}'])
def test_half_a_file_asks_for_a_sign_in_and_takes_one(make: Callable[..., Made], leftover: str):
    sandbox, home = make()
    token_path(home.ledger).write_text(leftover)
    assert inside(home, "locations", "list").code == 77
    done = inside(
        home, "authorize", "--import-refresh-token", "-", answers=[sandbox.new_refresh_token()]
    )
    assert done.code == 0
    assert TokenFile(token_path(home.ledger)).read() is not None
