"""The token file: whole or untouched after any failure, private, and locked between processes."""

import os
import stat
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from tillbridge.clock import SystemClock
from tillbridge.errors import ConfigError, CredentialsRefused, TryLater
from tillbridge.lightspeed import tokens
from tillbridge.lightspeed.tokens import TokenFile, TokenState

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)


def state(refresh_token: str = "refresh-1", **more) -> TokenState:
    return TokenState(
        refresh_token=refresh_token,
        issued_at=NOW,
        issued_boot_s=5.0,
        boot_id="boot",
        obtained_at=NOW,
        **more,
    )


@pytest.fixture
def file(tmp_path) -> TokenFile:
    return TokenFile(tmp_path / "state" / "tokens.json")


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_written_is_read_back(file):
    assert file.read() is None
    kept = state(access_token="access-1", lifetime_s=1500.0, refreshing=True, lost=1)
    file.write(kept)
    assert file.read() == kept


def test_the_file_and_its_folder_are_private(file):
    old = os.umask(0)
    try:
        file.write(state())
        with file.locked(SystemClock()):
            pass
    finally:
        os.umask(old)
    assert mode(file.path) == 0o600
    assert mode(file.path.with_name("tokens.json.lock")) == 0o600
    assert mode(file.path.parent) == 0o700


def test_a_file_that_was_open_to_others_is_private_after_the_next_write(file):
    file.write(state())
    file.path.chmod(0o644)
    file.write(state("refresh-2"))
    assert mode(file.path) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for somebody else")
def test_a_file_written_by_root_belongs_to_the_owner_of_the_folder(file):
    file.path.parent.mkdir()
    os.chown(file.path.parent, 4711, 4712)
    file.write(state())
    with file.locked(SystemClock()):
        pass
    for path in file.path.parent.iterdir():
        assert (path.stat().st_uid, path.stat().st_gid) == (4711, 4712)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"refresh_token":"planted-secret"}'])
def test_a_damaged_file_asks_for_a_new_sign_in_and_is_not_quoted(file, content):
    file.write(state())
    file.path.write_bytes(content)
    with pytest.raises(CredentialsRefused) as error:
        file.read()
    assert "authorize" in error.value.remedy
    assert "planted-secret" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_file_of_a_newer_version_is_left_alone(file):
    file.write(state(version=2))
    with pytest.raises(ConfigError, match="newer"):
        file.read()


def test_a_file_that_cannot_be_read_says_so(file):
    file.path.mkdir(parents=True)
    with pytest.raises(ConfigError, match="cannot be read"):
        file.read()


def test_no_token_is_in_a_repr():
    assert "refresh-1" not in repr(state(access_token="access-1"))
    assert "access-1" not in repr(state(access_token="access-1"))


@pytest.mark.parametrize("step", ["open", "fchown", "write", "fsync", "replace"])
def test_a_write_that_fails_at_any_step_leaves_the_former_content(file, monkeypatch, step):
    file.write(state("refresh-1"))

    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tokens.os, "geteuid", lambda: 0)
        patch.setattr(tokens.os, step, fail)
        with pytest.raises(TryLater, match="No space left on device"):
            file.write(state("refresh-2"))
    kept = file.read()
    assert kept is not None
    assert kept.refresh_token == "refresh-1"
    file.write(state("refresh-3"))  # leftovers are no obstacle
    kept = file.read()
    assert kept is not None
    assert kept.refresh_token == "refresh-3"


DYING_WRITER = """
import os, sys
from pathlib import Path
from tillbridge.lightspeed import tokens
step, path = sys.argv[1], Path(sys.argv[2])
file = tokens.TokenFile(path)
state = file.read().model_copy(update={"refresh_token": "refresh-2"})
real = getattr(os, step)
def die(*args, **kwargs):
    if step == "write":
        real(args[0], bytes(args[1])[:20])
    os._exit(9)
setattr(os, step, die)
file.write(state)
"""


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_process_that_dies_while_writing_leaves_the_former_content(file, step):
    file.write(state("refresh-1"))
    died = subprocess.run([sys.executable, "-c", DYING_WRITER, step, file.path], check=False)
    assert died.returncode == 9
    kept = file.read()
    assert kept is not None
    assert kept.refresh_token == "refresh-1"
    file.write(kept)


def test_content_is_on_the_disk_before_the_name_and_the_name_before_the_return(file, monkeypatch):
    file.write(state())
    steps: list[str] = []
    sync, replace = os.fsync, os.replace

    def watched_sync(handle):
        folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        steps.append("sync folder" if folder else "sync file")
        sync(handle)

    def watched_replace(source, target):
        steps.append("replace")
        replace(source, target)

    monkeypatch.setattr(tokens.os, "fsync", watched_sync)
    monkeypatch.setattr(tokens.os, "replace", watched_replace)
    file.write(state("refresh-2"))
    assert steps == ["sync file", "replace", "sync folder"]


HOLDER = """
import sys
from pathlib import Path
from tillbridge.clock import SystemClock
from tillbridge.lightspeed.tokens import TokenFile
with TokenFile(Path(sys.argv[1])).locked(SystemClock()):
    print("held", flush=True)
    sys.stdin.read()
"""


class CountingClock(SystemClock):
    def __init__(self, on_sleep) -> None:
        super().__init__()
        self.sleeps = 0
        self.on_sleep = on_sleep

    def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.on_sleep(self.sleeps)


def test_the_lock_of_a_process_that_is_killed_is_free(file):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, file.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"

        def kill(sleeps: int) -> None:
            if sleeps == 3:
                holder.kill()
                holder.wait()

        clock = CountingClock(kill)
        with file.locked(clock):
            assert clock.sleeps == 3


def test_a_lock_that_is_never_freed_is_not_waited_for_without_end(file):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, file.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(TryLater, match="lock"), file.locked(CountingClock(lambda _: None)):
            pass
        holder.kill()


def test_age_is_measured_in_boot_time_while_the_boot_is_the_same():
    token = state()
    assert token.age_s(datetime(2020, 1, 1, tzinfo=UTC), 12.0, "boot") == 7.0
    assert token.age_s(datetime(2026, 11, 3, 12, 1, tzinfo=UTC), 2.0, "next boot") == 60.0
    assert token.age_s(datetime(2026, 11, 3, 11, 59, tzinfo=UTC), 2.0, "next boot") == -60.0
