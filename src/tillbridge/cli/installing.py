"""`install-service`: the service's units, user, folders and credentials, and an uninstall."""

import getpass
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tillbridge.cli.options import say
from tillbridge.config import example_toml, find_config
from tillbridge.errors import ConfigError, UsageError
from tillbridge.install import plan
from tillbridge.install.plan import Wanted
from tillbridge.install.steps import Account, Host, Step, run_tool
from tillbridge.install.wanted import Needs, needs_of
from tillbridge.secrets import UnusableSecret, parse_reference, resolve

_HIDDEN = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  # looked at, never used
_SAMPLE_NAMES = ("lightspeed-client-secret", "connecteam-api-key")


def install_service(
    instance: str | None,
    root: Path,
    program: str | None,
    given: Sequence[str],
    *,
    encrypt: bool,
    dry_run: bool,
    uninstall: bool,
) -> int:
    """Do what is not done yet, and say each step.

    Args:
        instance: the customer's name, or None.
        root: what stands for `/`.
        program: the command's path on that system; this very one if None.
        given: credentials to store, as NAME=FILE.
        encrypt: store them encrypted for this machine.
        dry_run: only say what would be done.
        uninstall: take the service away instead.
    """
    host = _host(root, dry_run=dry_run)
    wanted = Wanted(instance, program or _this_program(host), sample=_sample(instance))
    find_config(None, instance, {})  # refuses a name that no file can have
    if uninstall:
        return _carry_out(host, plan.uninstall(wanted, _others(host, wanted)), dry_run=dry_run,
                          then=_after_uninstall(wanted))  # fmt: skip
    if encrypt and not host.is_running:
        raise UsageError(
            "A credential can be encrypted only on the machine that will read it.",
            "Leave --encrypt out with --root, or run this on the machine itself.",
        )
    wanted = replace(wanted, needs=_needs(host, wanted), encrypt=encrypt)
    wanted = replace(wanted, secrets=_secrets(host, wanted, given, ask=not dry_run),
                     encrypted=_encrypted(host, wanted.needs))  # fmt: skip
    then = _after_install(host, wanted)
    return _carry_out(host, plan.install(wanted), dry_run=dry_run, then=then)


def _host(root: Path, *, dry_run: bool) -> Host:
    host = Host(root.resolve(), may_own=os.geteuid() == 0)
    if host.is_running and not host.may_own and not dry_run:
        raise UsageError(
            "Only root may install a service.",
            "Run it with sudo, or look at what it would do with --dry-run.",
        )
    if not host.may_own and not host.is_running:
        say("Not run as root: the files belong to you, and no user is made.")
    return host


def _this_program(host: Host) -> str:
    """The command that runs now, if the service may run it."""
    program = str(Path(sys.prefix) / "bin" / "tillbridge")
    if host.is_running:
        for what, path in (
            ("tillbridge", program),
            ("Its Python", os.path.realpath(sys.executable)),
        ):
            if path.startswith(tuple(f"{place}/" for place in _HIDDEN)):
                raise UsageError(
                    f"{what} is at {path}, where a service of the system may not look.",
                    "Make its environment with the system's own Python: "
                    "python3 -m venv /opt/tillbridge.",
                )
    return program


def _sample(instance: str | None) -> str:
    """The sample; for one of several customers, with names of its own for the credentials."""
    text = example_toml()
    if instance:
        for name in _SAMPLE_NAMES:
            assert f'"{name}"' in text
            text = text.replace(f'"{name}"', f'"{instance}-{name}"')
    return text


def _needs(host: Host, wanted: Wanted) -> Needs:
    source = host.place(wanted.config)
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError:
        text = wanted.sample
    except OSError as error:
        raise ConfigError(f"{source} cannot be read ({error.strerror}).") from None
    return needs_of(text, source)


def _encrypted(host: Host, needs: Needs) -> frozenset[str]:
    return frozenset(name for name in needs.credentials if _stored(host, name) == "encrypted")


def _stored(host: Host, name: str) -> str | None:
    for kind, store in (("encrypted", plan.ENCRYPTED_STORE), ("plain", plan.PLAIN_STORE)):
        try:
            if host.place(f"{store}/{name}").exists():
                return kind
        except PermissionError:
            return None  # a dry run by somebody who may not look there
    return None


def _secrets(host: Host, wanted: Wanted, given: Sequence[str], *, ask: bool) -> dict[str, str]:
    """The credentials to store now: those given, and those that a person types."""
    found = dict(_given(item, wanted.needs.credentials) for item in given)
    if not ask or not sys.stdin.isatty():
        return found
    for name in wanted.needs.credentials:
        if name not in found and _stored(host, name) is None:
            typed = getpass.getpass(f"{name} (not shown; Enter alone: later): ").strip()
            if typed:
                found[name] = _checked(name, typed)
    return found


def _given(item: str, names: Sequence[str]) -> tuple[str, str]:
    """NAME=FILE as a name and the secret in the file; `-` is standard input."""
    name, equals, source = item.partition("=")
    if not equals or not source:
        raise UsageError(
            "A credential is given as NAME=FILE.",
            "Write --credential connecteam-api-key=/path/of/a/file, or =- for standard input.",
        )
    if name not in names:
        raise UsageError(
            f"The configuration names no credential {name}.",
            f"It names: {', '.join(names) or 'none'}.",
        )
    if source == "-":
        return name, _checked(name, sys.stdin.readline().strip())
    file = parse_reference({"file": str(Path(source).absolute())})
    return name, resolve(file, {}, where=name).reveal()


def _checked(name: str, typed: str) -> str:
    try:
        return resolve(parse_reference(typed), {}).reveal()
    except UnusableSecret as reason:
        raise ConfigError(f"{name}: {reason.message}", reason.remedy) from None


def _others(host: Host, wanted: Wanted) -> list[str]:
    """Other customers' units, by their drop-ins; they need the template."""
    if not wanted.instance:
        return []
    found = host.place(plan.UNITS).glob("tillbridge@?*.service.d")
    return sorted(name for path in found if (name := path.name.removesuffix(".d")) != wanted.unit)


def _carry_out(host: Host, steps: Sequence[Step], *, dry_run: bool, then: Sequence[str]) -> int:
    changed = 0
    for step in steps:
        if isinstance(step, Account) and not host.may_own and not dry_run:
            continue
        try:
            if _is_done(step, host):
                continue
            changed += 1
            if not dry_run:
                step.do(host)
        except OSError as error:
            raise ConfigError(
                f"Failed: {step.words()} ({error.strerror}).",
                "Correct that and run install-service again; what is done already stays.",
            ) from None
        print(f"{'would do' if dry_run else 'done'}: {step.words()}")
    if not changed:
        print("Nothing to do: all is as it should be.")
    elif host.is_running and not dry_run:
        run_tool(["systemctl", "daemon-reload"])
    if not dry_run:
        for line in then:
            say(line)
    return 0


def _is_done(step: Step, host: Host) -> bool:
    try:
        return step.is_done(host)
    except ConfigError:
        return False  # the user is made by an earlier step, which a dry run leaves out


def _after_install(host: Host, wanted: Wanted) -> list[str]:
    """What a person does next."""
    again = "sudo " + shlex.join(
        [wanted.program, "install-service", *(["--instance", wanted.instance] if wanted.instance
                                              else [])]
    )  # fmt: skip
    lines = [
        f"The credential {name} is not stored yet: `{again} --credential {name}=-` reads it from "
        "standard input."
        for name in wanted.needs.credentials
        if name not in wanted.secrets and _stored(host, name) is None
    ]
    if not host.place(wanted.config).exists():
        lines.insert(0, f"Fill in {wanted.config}, which is the sample now, and run this again.")
    return [*lines, f"Then: `sudo systemctl restart {wanted.unit}`"]


def _after_uninstall(wanted: Wanted) -> list[str]:
    kept = (
        f"Kept: the ledger and the sign-in in {wanted.state}, {wanted.config}, the credentials in "
        f"{plan.PLAIN_STORE} and {plan.ENCRYPTED_STORE}, and the user. Without the ledger nobody "
        "knows which sales are in Connecteam already: erase it only if they shall never be "
        "carried over again."
    )
    return [kept]
