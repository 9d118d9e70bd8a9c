"""Which steps an installation needs, and in which order. Decides; does nothing.

The units are those of the repository's `systemd` folder, which the package brings along; what
differs from machine to machine (where the program is, which credentials, where the ledger is)
stands in drop-ins beside them, so that an upgrade can replace the units whole.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from tillbridge.install.steps import (
    ROOT_USER,
    USER,
    Account,
    Enabled,
    Encrypted,
    File,
    Folder,
    Gone,
    Step,
)
from tillbridge.install.wanted import Needs

UNITS = "/etc/systemd/system"
CONFIG = "/etc/tillbridge"
STATE = "/var/lib/tillbridge"
PLAIN_STORE = "/etc/credstore"
ENCRYPTED_STORE = "/etc/credstore.encrypted"
PROGRAM = "/opt/tillbridge/bin/tillbridge"

_DROP_IN = "10-install.conf"
_ALARM = "tillbridge-failed"
_SERVICE = "tillbridge"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be installed.

    Attributes:
        instance: the customer's name; None for the only one.
        program: the command's whole path on that system.
        needs: what the configuration says.
        sample: a configuration to begin with, where there is none.
        secrets: credentials to store now, by name.
        encrypt: whether to store them encrypted for this machine.
        encrypted: names of credentials that are stored encrypted already.
    """

    instance: str | None
    program: str = PROGRAM
    needs: Needs = field(default_factory=Needs)
    sample: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    encrypt: bool = False
    encrypted: frozenset[str] = frozenset()

    @property
    def unit(self) -> str:
        """The service's unit."""
        return _unit(_SERVICE, self.instance)

    @property
    def config(self) -> str:
        return f"{CONFIG}/{self.instance or 'config'}.toml"

    @property
    def state(self) -> str:
        return f"{STATE}/{self.instance}" if self.instance else STATE


def install(wanted: Wanted) -> list[Step]:
    """The steps of an installation, or of an upgrade of one."""
    own = (0o700, USER)
    folders = [Folder(CONFIG, *own), Folder(STATE, *own)]
    if wanted.instance:
        folders.append(Folder(wanted.state, *own))
    return [
        Account(),
        *folders,
        File(wanted.config, wanted.sample, 0o600, USER, kept=True),
        *_credentials(wanted),
        *_units(wanted),
        *_drop_ins(wanted),
        Enabled(wanted.unit),
    ]


def uninstall(wanted: Wanted, others: Sequence[str]) -> list[Step]:
    """The steps that take the service away. Ledger, sign-in, configuration, credentials and the
    user stay: they are a person's to erase.

    Args:
        wanted: as it was installed.
        others: units of other customers that stay, and need the template.
    """
    steps: list[Step] = [Enabled(wanted.unit, on=False)]
    for name in (wanted.unit, _unit(_ALARM, wanted.instance)):
        steps += [Gone(f"{UNITS}/{name}.d/{_DROP_IN}"), Gone(f"{UNITS}/{name}.d")]
    names = [f"{kind}{'@' if wanted.instance else ''}.service" for kind in (_SERVICE, _ALARM)]
    if not others:
        steps += [Gone(f"{UNITS}/{name}") for name in names]
    return steps


def units() -> dict[str, str]:
    """The units as the package brings them, by name.

    Raises:
        FileNotFoundError: the installation is broken.
    """
    inside = Path(str(files("tillbridge"))) / "systemd"
    # An editable installation has them where they are written.
    folder = inside if inside.is_dir() else inside.parents[2] / "systemd"
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir())}


def _unit(kind: str, instance: str | None) -> str:
    return f"{kind}@{instance}.service" if instance else f"{kind}.service"


def _units(wanted: Wanted) -> list[Step]:
    template = "@" if wanted.instance else "."
    return [
        File(f"{UNITS}/{name}", _with_program(text, wanted.program), 0o644, ROOT_USER)
        for name, text in units().items()
        if (template == "@") is ("@" in name)
    ]


def _with_program(text: str, program: str) -> str:
    changed = re.sub(
        rf"^(ExecStart=){re.escape(PROGRAM)} ",
        lambda found: f"{found[1]}{program} ",
        text,
        flags=re.MULTILINE,
    )
    assert f"ExecStart={program} " in changed
    return changed


def _credentials(wanted: Wanted) -> list[Step]:
    if not wanted.secrets:
        return []
    store = ENCRYPTED_STORE if wanted.encrypt else PLAIN_STORE
    found: list[Step] = [Folder(store, 0o700, ROOT_USER)]
    for name, secret in wanted.secrets.items():
        if wanted.encrypt:
            # A plain one of the same name would be the one that commands find first.
            found += [Encrypted(f"{store}/{name}", name, secret), Gone(f"{PLAIN_STORE}/{name}")]
        else:
            found.append(File(f"{store}/{name}", secret, 0o600, ROOT_USER))
    return found


def _drop_ins(wanted: Wanted) -> list[Step]:
    needs = wanted.needs
    lines = _loading(needs.credentials, wanted)
    folder = needs.ledger_folder
    if folder is not None and not Path(folder).is_relative_to(wanted.state):
        lines += ["# The ledger is outside the state directory.", f"ReadWritePaths={folder}"]
    return [
        _drop_in(wanted.unit, lines),
        _drop_in(_unit(_ALARM, wanted.instance), _loading(needs.for_alarms, wanted)),
    ]


def _loading(names: Sequence[str], wanted: Wanted) -> list[str]:
    encrypted = wanted.encrypted | (set(wanted.secrets) if wanted.encrypt else set())
    return [
        "# The credentials that the configuration names, and no others.",
        "LoadCredential=",
        *(
            f"LoadCredential{'Encrypted' if name in encrypted else ''}={name}:{name}"
            for name in names
        ),
    ]


def _drop_in(unit: str, lines: Sequence[str]) -> Step:
    head = "# Made by `tillbridge install-service`, which replaces it; write your own beside it."
    text = "\n".join([head, "[Service]", *lines, ""])
    return File(f"{UNITS}/{unit}.d/{_DROP_IN}", text, 0o644, ROOT_USER)
