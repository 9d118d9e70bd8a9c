"""`sudo tillbridge ...`: root reads the secrets, and then whatever is made belongs to the owner."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pydantic
import pytest

import tillbridge
from system.installation import Done, Installation, environment, install
from tillbridge.cli.stepping_down import with_secrets
from tillbridge.config import parse
from tillbridge.sandbox import Sandbox, SandboxOptions
from tillbridge.secrets import CredentialSecret, LiteralSecret

OWNER, GROUP = 4711, 4712


def config(**alarms: object):
    return parse(
        {
            "config_version": 1,
            "lightspeed": {"client_id": "x", "client_secret": {"env": "LS"}},
            "connecteam": {"api_key": {"credential": "not-there"}},
            "alarms": alarms,
            "locations": [
                {
                    "name": "A", "lightspeed_id": 1, "connecteam_id": 2, "timezone": "UTC",
                    "currency": "EUR", "exclusive": True, "start": "2026-01-01",
                }
            ],
        },
        source="test", mode=0o600,
    ).config  # fmt: skip


def test_every_secret_that_can_be_read_is_read_and_the_rest_stays_a_reference():
    filled = with_secrets(
        config(to=[{"env": "MAIL"}], ping_url={"env": "PING"}),
        {"LS": "s3cret-1", "MAIL": "json://s3cret-2", "PING": "https://ping.test/s3cret-3"},
    )
    for secret, value in (
        (filled.lightspeed.client_secret, "s3cret-1"),
        (filled.alarms.to[0], "json://s3cret-2"),
        (filled.alarms.ping_url, "https://ping.test/s3cret-3"),
    ):
        assert isinstance(secret, LiteralSecret)
        assert secret.value.reveal() == value
    assert filled.connecteam.api_key == CredentialSecret("not-there")


def open_to_others(file: str) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in Path(file).resolve().parents)


def interpreter() -> tuple[list[str], dict[str, str]] | None:
    """A Python of this version that another user can run, with what it needs to find the program:
    the one that runs the tests may live in a home of root.
    """
    found = [Path(pydantic.__file__).parents[1], Path(tillbridge.__file__).parents[1]]
    if not all(open_to_others(str(path / "x")) for path in found):
        return None
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if Path(python).exists():
            asked = [python, "-c", "import os; print(os.__file__)"]
            home = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
            if open_to_others(home) and open_to_others(str(Path(python).resolve())):
                return [python, "-m", "tillbridge"], {"PYTHONPATH": ":".join(map(str, found))}
    return None


FOUND = interpreter()
root_only = pytest.mark.skipif(
    os.geteuid() != 0 or FOUND is None, reason="only root can become somebody else"
)


def call(home: Installation, *words: str, text: str = "") -> Done:
    assert FOUND is not None
    command, env = FOUND
    done = subprocess.run(
        [*command, "--config", str(home.config), *words], input=text, capture_output=True,
        text=True, check=False, timeout=60, env=environment(home.env | env),
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def owned() -> Iterator[Callable[[], tuple[Sandbox, Installation]]]:
    """An installation whose state folder belongs to somebody, and whose secrets to root."""
    folder = Path(tempfile.mkdtemp(prefix="tillbridge-test-"))
    folder.chmod(0o755)  # pytest's own folders are closed to others
    try:
        with Sandbox(SandboxOptions(sales_per_day=20, locations=1)) as served:

            def made() -> tuple[Sandbox, Installation]:
                home = install(folder, served)
                home.ledger.parent.mkdir(mode=0o700)
                os.chown(home.ledger.parent, OWNER, GROUP)
                (folder / "secrets").mkdir(mode=0o700)
                (folder / "secrets" / "key").write_text(served.api_key)
                home.change(f'"{served.api_key}"', '{ credential = "key" }')
                home.env["CREDENTIALS_DIRECTORY"] = str(folder / "secrets")
                return served, home

            yield made
    finally:
        shutil.rmtree(folder)


def sign_in(home: Installation) -> Done:
    return call(home, "authorize", "--import-refresh-token", "-", text=home.refresh_token)


@root_only
def test_what_root_makes_belongs_to_the_owner_but_for_a_file_that_the_caller_names(owned):
    sandbox, home = owned()
    assert sign_in(home).code == 0
    done = call(home, "once")
    assert done.code == 0, done.err
    assert len(sandbox.connecteam_rows(123)) > 0
    made = list(home.ledger.parent.iterdir())
    assert {path.name for path in made} >= {"ledger.db", "ledger.db.lock", "lightspeed-token.json"}
    for path in made:
        assert (path.stat().st_uid, path.stat().st_gid) == (OWNER, GROUP), path
        assert path.stat().st_mode & 0o077 == 0, path

    checked = call(home, "check", "--json")
    assert checked.code == 0, checked.out
    copy = home.folder / "secrets" / "backup.db"  # a folder of root, named by the caller
    assert call(home, "backup", str(copy)).code == 0
    assert copy.stat().st_uid == 0
