"""The units in systemd/ keep what they promise, as far as can be told without running them."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = {path.name: path for path in sorted((ROOT / "systemd").iterdir())}
SERVICES = ["tillbridge.service", "tillbridge@.service"]
FAILED = ["tillbridge-failed.service", "tillbridge-failed@.service"]
MOST_EXPOSED = 1.2
"""What `systemd-analyze security` may say at most, of 10."""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed"
)
Directive = tuple[str, str, str, str]


def _directives(name: str) -> Iterator[Directive]:
    """Section, name, value, and the comment above it, or above its group, of each directive."""
    comment = section = ""
    for line in UNITS[name].read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            comment = line
        elif line.startswith("["):
            section, comment = line, ""
        elif not line:
            comment = ""
        else:
            key, _, value = line.partition("=")
            yield section, key, value, comment


def _values(name: str) -> dict[str, str]:
    return {key: value for _, key, value, _ in _directives(name)}


def test_there_are_the_service_its_template_and_an_alarm_for_each():
    assert set(UNITS) == {*SERVICES, *FAILED}


@pytest.mark.parametrize("name", UNITS)
def test_every_directive_of_a_unit_has_its_reason(name: str):
    assert [key for _, key, _, comment in _directives(name) if not comment] == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_keeps_to_the_exit_codes_and_to_the_ten_seconds_of_a_stop(name: str):
    values = _values(name)
    assert values["RestartPreventExitStatus"].split() == ["77", "78"]
    assert int(values["TimeoutStopSec"]) > 10
    assert values["Type"] == "notify"
    assert values["StateDirectoryMode"] == "0700"
    assert values["OnFailure"].removesuffix(".service") in {
        "tillbridge-failed",
        "tillbridge-failed@%i",
    }


@pytest.mark.parametrize(
    ("plain", "template"), [tuple(SERVICES), tuple(FAILED)], ids=["service", "failed"]
)
def test_a_template_is_the_plain_unit_but_for_the_customer(plain: str, template: str):
    """What is fixed for one must not be forgotten for the other."""
    of_customers = {"Description", "OnFailure", "ExecStart", "StateDirectory", "LoadCredential"}
    one, other = (
        [(section, key, value) for section, key, value, _ in _directives(name)]
        for name in (plain, template)
    )
    assert [item for item in one if item[1] not in of_customers] == [
        item for item in other if item[1] not in of_customers
    ]
    for _, key, value in other:
        if key in {"ExecStart", "StateDirectory"}:
            assert "%i" in value


def test_the_alarm_is_locked_in_as_the_service_is():
    service, alarm = _values(SERVICES[0]), _values(FAILED[0])
    hardening = [key for _, key, _, _ in _directives(FAILED[0])]
    hardening = hardening[hardening.index("LimitCORE") :]
    assert len(hardening) > 25
    assert {key: alarm[key] for key in hardening} == {key: service[key] for key in hardening}


def test_no_customer_is_given_the_key_of_another_by_its_name():
    # A name that the template gave would be found in the one store of the machine by all of them.
    assert "LoadCredential" not in _values("tillbridge@.service")


@pytest.fixture
def runnable(tmp_path: Path) -> Path:
    """The units with a program that is there on every machine in place of ours."""
    for name, path in UNITS.items():
        text = re.sub(
            r"^(ExecStart|ExecStopPost)=(-?)\S+",
            r"\1=\2/bin/true",
            path.read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def _analyze(*words: str) -> str:
    done = subprocess.run(
        ["systemd-analyze", *words],
        capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    return f"{done.returncode} {done.stdout}{done.stderr}"


@needs_systemd
def test_systemd_finds_nothing_wrong_with_the_units(runnable: Path):
    instance = [name.replace("@.", "@harbour.") for name in UNITS]
    for name in instance:
        if "@" in name:
            (runnable / name).symlink_to(runnable / name.replace("@harbour.", "@."))
    assert _analyze("verify", *(str(runnable / name) for name in instance)) == "0 "


@needs_systemd
@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_hardly_exposed(name: str):
    said = _analyze("security", "--offline=yes", str(UNITS[name]))
    score = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert score is not None, said
    assert float(score[1]) <= MOST_EXPOSED, said
