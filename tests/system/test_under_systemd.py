"""The units under a real systemd: installed by the command, locked in, fed, restarted, given up.

It boots a machine inside this one (see `machine`), so it is left out where that is not allowed;
what is left out then is said in docs/operations.md.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from system.conftest import Made
from system.installation import arrived, assert_exactly_once
from system.machine import CannotBoot, Machine

ROOT = Path(__file__).resolve().parents[2]
UNIT = "tillbridge.service"
CONFIG = "/etc/tillbridge/config.toml"
STATE = "/var/lib/tillbridge"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    try:
        booted = Machine(tmp_path)
    except CannotBoot as reason:
        pytest.skip(f"no systemd can be booted here: {reason}")
    with booted:
        yield booted


def put_in_place(machine: Machine, home) -> None:
    """What a new administrator does: write the configuration, install, sign in."""
    text = home.text.replace(f'path = "{home.ledger}"\n', "")
    secrets = {}
    for key, name in (("client_secret", "lightspeed-client-secret"), ("api_key", "till-key")):
        found = re.search(rf'^{key} = "(.*)"$', text, re.MULTILINE)
        assert found is not None
        secrets[name] = found[1]
        text = text.replace(found[0], f'{key} = {{ credential = "{name}" }}')
    machine.place("/etc/tillbridge").mkdir()
    machine.place(CONFIG).write_text(text)
    install = ["/opt/tillbridge/bin/tillbridge", "install-service"]
    first, second = secrets.items()
    machine.call(*install, "--credential", f"{first[0]}=-", text=first[1])
    machine.call(*install, "--encrypt", "--credential", f"{second[0]}=-", text=second[1])
    machine.place(CONFIG).chmod(0o600)
    token = (home.ledger.parent / "lightspeed-token.json").read_text()
    machine.place(f"{STATE}/lightspeed-token.json").write_text(token)
    machine.call("chown", "-R", "tillbridge:tillbridge", STATE, "/etc/tillbridge")
    machine.call("chmod", "600", f"{STATE}/lightspeed-token.json")


def main_pid(machine: Machine) -> int:
    return int(machine.show(UNIT, "MainPID"))


def status_of(machine: Machine, pid: int) -> dict[str, str]:
    text = machine.place(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def test_a_new_administrator_installs_it_and_systemd_looks_after_it(
    make: Callable[..., Made], machine: Machine
):
    sandbox, home = make()
    put_in_place(machine, home)
    assert not machine.place("/etc/credstore/till-key").exists()
    assert b"till" not in machine.place("/etc/credstore.encrypted/till-key").read_bytes()
    machine.call("systemctl", "start", UNIT)  # comes back with READY=1
    machine.until(lambda: arrived(sandbox))
    machine.until(lambda: machine.show(UNIT, "StatusText").startswith("Last pass: "))

    status = status_of(machine, main_pid(machine))
    assert status["Uid"].split()[0] not in {"0", "65534"}
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert machine.place(f"{STATE}/ledger.db").stat().st_mode & 0o777 == 0o600

    # A program that hangs is restarted; one that was stopped in the middle loses nothing.
    machine.place("/run/systemd/system").mkdir(exist_ok=True)
    drop_in = machine.place(f"/run/systemd/system/{UNIT}.d")
    drop_in.mkdir()
    (drop_in / "quick.conf").write_text(
        "[Service]\nWatchdogSec=3s\nTimeoutAbortSec=1s\nRestartSec=1s\n"
    )
    machine.call("systemctl", "daemon-reload")
    machine.call("systemctl", "restart", UNIT)
    hanging = main_pid(machine)
    machine.call("kill", "-STOP", str(hanging))
    sandbox.close_sale(0)
    machine.until(lambda: machine.show(UNIT, "NRestarts") == "1")
    machine.until(lambda: arrived(sandbox))
    assert main_pid(machine) != hanging
    assert machine.show("tillbridge-failed.service", "ExecMainStartTimestamp") == ""

    # What only a person can put right is not tried again and again, but somebody is told.
    text = machine.place(CONFIG).read_text()
    machine.place(CONFIG).write_text(text.replace("[connecteam]", "[conecteam]"))
    machine.call("systemctl", "restart", UNIT, check=False)
    machine.until(lambda: machine.show(UNIT, "ActiveState") == "failed")
    assert machine.show(UNIT, "ExecMainStatus") == "78"
    machine.until(lambda: machine.show("tillbridge-failed.service", "ExecMainStartTimestamp") != "")
    machine.until(lambda: machine.show("tillbridge-failed.service", "ActiveState") != "activating")
    assert machine.show("tillbridge-failed.service", "ExecMainStatus") == "0"

    # Put right and started again, it goes on where it was.
    machine.place(CONFIG).write_text(text)
    sandbox.close_sale(0)
    machine.call("systemctl", "start", UNIT)
    machine.until(lambda: arrived(sandbox))
    machine.call("systemctl", "stop", UNIT)
    assert machine.show(UNIT, "Result") == "success"
    assert_exactly_once(sandbox)


# Tries what a program that was taken over would try; what it says goes where the ledger would be.
PROBE = """#!/opt/python/bin/python3 -I
import ctypes, json, mmap, os, socket, stat
from pathlib import Path

state = Path("/var/lib/tillbridge")
tool = state / "tool"
tool.write_text("#!/bin/sh\\n")
tool.chmod(0o755)
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    if libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")

tries = {
    "write its state": lambda: (state / "written").write_text("x"),
    "write a configuration": lambda: Path("/etc/tillbridge/new").write_text("x"),
    "write the program": lambda: Path("/opt/tillbridge/new").write_text("x"),
    "look into homes": lambda: os.listdir("/home"),
    "run what it wrote": lambda: os.spawnv(os.P_WAIT, str(tool), ["tool"]) == 0 or 1 / 0,
    "make a set-uid file": lambda: os.chmod(tool, 0o4755),
    "own a file of others": lambda: os.chown(state / "written", 0, 0),
    "see other processes": lambda: Path("/proc/1/cmdline").read_bytes(),
    "open a disk": lambda: [name for name in os.listdir("/dev") if name.startswith("loop")][0],
    "talk to the kernel's network": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "make raw packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "speak IP": lambda: socket.socket(socket.AF_INET).close(),
    "mount": lambda: call(165, b"none", b"/tmp", b"tmpfs", 0, None),
    "make a namespace": lambda: call(272, 0x10000000),
    "set the clock": lambda: call(227, 0, b"\\0" * 16),
    "trace a process": lambda: call(101, 16, os.getppid(), 0, 0),
    "be another user": lambda: os.setuid(0),
    "raise a limit": lambda: os.nice(-5),
    "run memory that it wrote": lambda: mmap.mmap(-1, 4096, prot=7),
    "read the boot's id": lambda: Path("/proc/sys/kernel/random/boot_id").read_text(),
}
said = {}
for name, deed in tries.items():
    try:
        deed()
        said[name] = True
    except Exception:
        said[name] = False
(state / "said.json").write_text(json.dumps(said))
"""
ALLOWED = {"write its state", "speak IP", "read the boot's id"}


def test_a_program_that_was_taken_over_can_do_no_more_than_its_task(machine: Machine):
    if os.uname().machine != "x86_64":
        pytest.skip("the probe knows the numbers of system calls of x86-64 only")
    machine.call("/opt/tillbridge/bin/tillbridge", "install-service")
    probe = machine.place("/opt/tillbridge/bin/probe")
    probe.write_text(PROBE)
    probe.chmod(0o755)
    text = (ROOT / "systemd" / UNIT).read_text(encoding="utf-8")
    text = re.sub(
        r"^ExecStart=.*$", "ExecStart=/opt/tillbridge/bin/probe", text, flags=re.MULTILINE
    )
    text = re.sub(r"^(Type=)notify$", r"\1oneshot", text, flags=re.MULTILINE)
    machine.place("/etc/systemd/system/probe.service").write_text(text)
    machine.call("systemctl", "daemon-reload")
    machine.call("systemctl", "start", "probe.service")
    said = json.loads(machine.place(f"{STATE}/said.json").read_text())
    assert len(said) == 20
    assert {name for name, could in said.items() if could} == ALLOWED
