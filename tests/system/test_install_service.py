"""`install-service` below a folder that stands for /: what it makes, again, and takes away."""

import io
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from system.installation import run
from tillbridge.cli.installing import install_service
from tillbridge.config import load
from tillbridge.errors import ConfigError, UsageError
from tillbridge.install.plan import units

PROGRAM = "/opt/tillbridge/bin/tillbridge"
SECRET = "planted-api-key-9f31"
UNIT_FOLDER = "etc/systemd/system"
IS_ROOT = os.geteuid() == 0

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None or shutil.which("systemctl") is None,
    reason="systemd is not installed",
)
pytestmark = needs_systemd


def call(root: Path, instance: str | None = None, given: tuple[str, ...] = (), **flags: bool):
    chosen = {"encrypt": False, "dry_run": False, "uninstall": False, **flags}
    return install_service(instance, root, PROGRAM, given, **chosen)


def tree(root: Path) -> dict[str, tuple[str, int, int]]:
    """Every file and folder below the root with its content and rights."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_text() if path.is_file() and not path.is_symlink() else ""
        found[str(path.relative_to(root))] = (content, stat.S_IMODE(status.st_mode), status.st_uid)
    return found


def drop_in(root: Path, unit: str = "tillbridge.service") -> list[str]:
    text = (root / UNIT_FOLDER / f"{unit}.d" / "10-install.conf").read_text()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def user_id(root: Path) -> int:
    lines = (root / "etc/passwd").read_text().splitlines()
    return int(next(line.split(":")[2] for line in lines if line.startswith("tillbridge:")))


def test_it_makes_units_folders_a_configuration_and_an_end_with_its_alarm(tmp_path: Path):
    assert call(tmp_path) == 0
    made = tree(tmp_path)
    assert made["etc/tillbridge"][1] == made["var/lib/tillbridge"][1] == 0o700
    assert made["etc/tillbridge/config.toml"][1] == 0o600
    assert load(tmp_path / "etc/tillbridge/config.toml").config.locations
    for name in ("tillbridge.service", "tillbridge-failed.service"):
        assert made[f"{UNIT_FOLDER}/{name}"][:2] == (units()[name], 0o644)
    assert (tmp_path / UNIT_FOLDER / "multi-user.target.wants/tillbridge.service").is_symlink()
    assert not [name for name in made if "@" in name]
    assert drop_in(tmp_path) == [
        "[Service]",
        "LoadCredential=",
        "LoadCredential=lightspeed-client-secret:lightspeed-client-secret",
        "LoadCredential=connecteam-api-key:connecteam-api-key",
    ]
    assert drop_in(tmp_path, "tillbridge-failed.service") == ["[Service]", "LoadCredential="]


@pytest.mark.skipif(not IS_ROOT, reason="only root can give files to a user")
def test_what_the_service_must_read_belongs_to_its_user_and_the_units_to_root(tmp_path: Path):
    call(tmp_path)
    user = user_id(tmp_path)
    assert user > 0
    passwd = (tmp_path / "etc/passwd").read_text()
    assert "/var/lib/tillbridge:/usr/sbin/nologin" in passwd
    made = tree(tmp_path)
    for name in ("etc/tillbridge", "var/lib/tillbridge", "etc/tillbridge/config.toml"):
        assert made[name][2] == user
    assert made[f"{UNIT_FOLDER}/tillbridge.service"][2] == 0


def test_again_changes_nothing_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    call(tmp_path)
    before = tree(tmp_path)
    capsys.readouterr()
    assert call(tmp_path) == 0
    assert capsys.readouterr().out == "Nothing to do: all is as it should be.\n"
    assert tree(tmp_path) == before


def test_a_dry_run_tells_all_that_is_done_and_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    call(tmp_path, dry_run=True)
    told = capsys.readouterr().out
    assert tree(tmp_path) == {}
    call(tmp_path)
    done = capsys.readouterr().out
    assert told.replace("would do: ", "") == done.replace("done: ", "") or not IS_ROOT


def test_an_upgrade_replaces_the_units_and_leaves_what_a_person_made(tmp_path: Path):
    call(tmp_path)
    unit = tmp_path / UNIT_FOLDER / "tillbridge.service"
    unit.write_text("[Unit]\nDescription=an older version\n")
    own = unit.with_name("tillbridge.service.d") / "50-own.conf"
    own.write_text("[Service]\nMemoryMax=1G\n")
    config = tmp_path / "etc/tillbridge/config.toml"
    config.write_text(config.read_text().replace("Harbour Group", "My Group"))
    call(tmp_path)
    assert unit.read_text() == units()["tillbridge.service"]
    assert "MemoryMax=1G" in own.read_text()
    assert "My Group" in config.read_text()


def test_a_credential_is_stored_for_root_alone_and_is_never_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "typed"
    file.write_text(f"{SECRET}\n")
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.setattr(sys, "stdin", io.StringIO("planted-client-secret\n"))
    given = (f"connecteam-api-key={file}", "lightspeed-client-secret=-")
    call(root, given=given, dry_run=True)
    assert tree(root) == {}
    monkeypatch.setattr(sys, "stdin", io.StringIO("planted-client-secret\n"))
    call(root, given=given)
    made = tree(root)
    assert made["etc/credstore"][1] == 0o700
    assert made["etc/credstore/connecteam-api-key"][:2] == (SECRET, 0o600)
    assert made["etc/credstore/lightspeed-client-secret"][:2] == ("planted-client-secret", 0o600)
    said = capsys.readouterr()
    assert "planted" not in said.out + said.err
    assert "is not stored yet" not in said.err
    call(root)
    assert tree(root) == made


def test_a_credential_that_is_stored_encrypted_is_loaded_as_such(tmp_path: Path):
    store = tmp_path / "etc/credstore.encrypted"
    store.mkdir(parents=True)
    (store / "connecteam-api-key").write_text("sealed")
    call(tmp_path)
    assert "LoadCredentialEncrypted=connecteam-api-key:connecteam-api-key" in drop_in(tmp_path)
    assert "LoadCredential=connecteam-api-key:connecteam-api-key" not in drop_in(tmp_path)
    assert "LoadCredential=lightspeed-client-secret:lightspeed-client-secret" in drop_in(tmp_path)


def test_the_unit_gets_what_the_configuration_names_and_no_more(tmp_path: Path):
    call(tmp_path)
    config = tmp_path / "etc/tillbridge/config.toml"
    text = config.read_text()
    text = text.replace('{ credential = "connecteam-api-key" }', '{ file = "/etc/tillbridge/key" }')
    text = text.replace('# path = "/var/lib/tillbridge/ledger.db"', 'path = "/srv/till/ledger.db"')
    text += "" if "\n[alarms]" in text else "\n[alarms]\n"
    text = text.replace("\n[alarms]\n", '\n[alarms]\nto = [{ credential = "alarm-mail" }]\n')
    config.write_text(text)
    call(tmp_path)
    assert drop_in(tmp_path) == [
        "[Service]",
        "LoadCredential=",
        "LoadCredential=lightspeed-client-secret:lightspeed-client-secret",
        "LoadCredential=alarm-mail:alarm-mail",
        "ReadWritePaths=/srv/till",
    ]
    assert drop_in(tmp_path, "tillbridge-failed.service") == [
        "[Service]",
        "LoadCredential=",
        "LoadCredential=alarm-mail:alarm-mail",
    ]


def test_two_customers_have_apart_what_must_be_apart(tmp_path: Path):
    for name in ("harbour", "station"):
        call(tmp_path, name)
    made = tree(tmp_path)
    for name in ("harbour", "station"):
        assert made[f"var/lib/tillbridge/{name}"][1] == 0o700
        assert made[f"etc/tillbridge/{name}.toml"][1] == 0o600
        assert f"{UNIT_FOLDER}/multi-user.target.wants/tillbridge@{name}.service" in made
        lines = drop_in(tmp_path, f"tillbridge@{name}.service")
        assert f"LoadCredential={name}-connecteam-api-key:{name}-connecteam-api-key" in lines
    assert f"{UNIT_FOLDER}/tillbridge.service" not in made
    call(tmp_path, "harbour", uninstall=True)
    assert (tmp_path / UNIT_FOLDER / "tillbridge@.service").exists()
    call(tmp_path, "station", uninstall=True)
    left = [name for name in tree(tmp_path) if "tillbridge" in name and "systemd/system" in name]
    assert left == []


def test_an_uninstall_takes_the_service_and_leaves_the_ledger(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    call(tmp_path)
    ledger = tmp_path / "var/lib/tillbridge/ledger.db"
    ledger.write_text("everything that was ever posted")
    own = tmp_path / UNIT_FOLDER / "tillbridge.service.d" / "50-own.conf"
    own.write_text("[Service]\n")
    before = tree(tmp_path)
    call(tmp_path, uninstall=True, dry_run=True)
    assert tree(tmp_path) == before
    assert call(tmp_path, uninstall=True) == 0
    left = tree(tmp_path)
    assert "var/lib/tillbridge/ledger.db" in left
    assert "etc/tillbridge/config.toml" in left
    ours = [name for name in left if name.startswith(UNIT_FOLDER) and "tillbridge" in name]
    assert ours == [f"{UNIT_FOLDER}/tillbridge.service.d", str(own.relative_to(tmp_path))]
    assert "Kept: the ledger" in capsys.readouterr().err
    capsys.readouterr()
    call(tmp_path, uninstall=True)
    assert capsys.readouterr().out == "Nothing to do: all is as it should be.\n"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("connecteam-api-key", "NAME=FILE"),
        ("connecteam-api-key=", "NAME=FILE"),
        ("conecteam-api-key=-", "names no credential conecteam-api-key"),
        ("connecteam-api-key=/nowhere/at/all", "does not exist"),
    ],
)
def test_a_credential_that_cannot_be_stored_is_refused_before_anything_is_done(
    tmp_path: Path, given: str, said: str
):
    with pytest.raises((UsageError, ConfigError)) as error:
        call(tmp_path, given=(given,))
    assert said in str(error.value) + str(getattr(error.value, "problems", ""))
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("name", ["config", "../up", "a b"])
def test_a_customer_needs_a_name_that_a_file_can_have(tmp_path: Path, name: str):
    with pytest.raises(UsageError):
        call(tmp_path, name)
    assert tree(tmp_path) == {}


def test_encrypting_for_another_machine_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="only on the machine"):
        call(tmp_path, encrypt=True)


def test_what_cannot_be_written_is_said_with_its_place(tmp_path: Path):
    (tmp_path / "etc").write_text("not a folder")
    with pytest.raises(ConfigError, match="/etc"):
        call(tmp_path)


def test_a_program_that_the_service_may_not_look_at_is_refused(monkeypatch: pytest.MonkeyPatch):
    # On this machine itself, so only as a dry run; its environment may be anywhere.
    monkeypatch.setattr(sys, "prefix", "/run/user/1/.venv")
    with pytest.raises(UsageError, match="may not look"):
        install_service(None, Path("/"), None, (), encrypt=False, dry_run=True, uninstall=False)


def test_the_installed_units_are_such_as_systemd_reads(tmp_path: Path):
    call(tmp_path, "harbour")
    program = tmp_path / "opt/tillbridge/bin/tillbridge"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in ("sysinit", "basic", "shutdown", "network-online", "time-sync", "multi-user"):
        (tmp_path / UNIT_FOLDER / f"{name}.target").write_text("[Unit]\nDescription=there\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", f"--root={tmp_path}", "tillbridge@harbour.service"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_does_it(tmp_path: Path):
    words = ("install-service", "--root", str(tmp_path), "--program", PROGRAM)
    done = run(*words)
    assert done.code == 0, done.err
    assert "done: enable tillbridge.service" in done.out
    assert "Fill in /etc/tillbridge/config.toml" in done.words
    assert run("--instance", "harbour", *words, "--dry-run").out.count("tillbridge@harbour") == 2
