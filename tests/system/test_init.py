"""The guided set-up, answered as a new user would: some answers wrong, the rest right."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx

from system.conftest import Made
from system.installation import COMMAND, environment, run
from tillbridge.config import example_toml, load


def test_a_new_user_gets_from_nothing_to_a_check_that_passes(make: Callable[..., Made]):
    sandbox, home = make(signed_in=False, locations=2)
    path = home.folder / "new" / "config.toml"
    keys = {
        "lightspeed.api_url": sandbox.lightspeed_url,
        "lightspeed.authorize_url": sandbox.authorize_url,
        "lightspeed.token_url": sandbox.token_url,
        "connecteam.base_url": sandbox.connecteam_url,
        "ledger.path": str(home.folder / "state" / "ledger.db"),
    }
    sets = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
    path.parent.mkdir()
    path.write_text(example_toml(), encoding="utf-8")  # as `install-service` leaves it
    path.chmod(0o600)
    answers = [
        "Café Nord", "prod", "production", "", sandbox.client_id, "", sandbox.client_secret,
        "http://insecure.example/back", "", "", sandbox.api_key,
    ]  # fmt: skip
    with subprocess.Popen(
        [*COMMAND, "--config", str(path), "init", *sets], env=environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n".join(answers) + "\n")
        process.stdin.flush()
        address = process.stdout.readline().strip()
        assert address.startswith(sandbox.authorize_url), address
        where = httpx.post(address).headers["location"]
        out, err = process.communicate(f"{where}\n", timeout=60)
    assert process.returncode == 0, err
    assert "This cannot be left out" in err
    assert "One of" in err or "production" in err
    assert "0 failed" in err
    assert "All is set" in err
    for secret in (sandbox.client_secret, sandbox.api_key):
        assert secret not in out + err
    config = load(path).config
    assert config.name == "Café Nord"
    assert [place.name for place in config.locations] == [p.name for p in sandbox.locations]
    assert path.stat().st_mode & 0o777 == 0o600
    again = run("--config", str(path), "init")
    assert again.code == 2
    assert "There is a configuration already" in again.err


def test_without_anybody_to_answer_nothing_is_written(tmp_path: Path):
    done = run("--config", str(tmp_path / "config.toml"), "init")
    assert done.code == 2
    assert "Nobody answers" in done.err
    assert list(tmp_path.iterdir()) == []
