"""What all commands share: where the configuration is, and how it is loaded."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import typer

    from tillbridge.config import Alarms, Config, Loaded


class Common(Struct, frozen=True):
    """The options that may stand before or after a command's name."""

    config_file: Path | None
    instance: str | None

    @classmethod
    def of(cls, context: typer.Context, config: Path | None, instance: str | None) -> Common:
        """Those after the command's name win."""
        before = context.find_root().obj
        if not isinstance(before, Common):
            return cls(config, instance)
        return cls(config or before.config_file, instance or before.instance)

    @property
    def program(self) -> str:
        """How a person calls the command for this installation, for sentences that name one."""
        if self.config_file is not None:
            return f"tillbridge --config {shlex.quote(str(self.config_file))}"
        return f"tillbridge --instance {self.instance}" if self.instance else "tillbridge"

    def load(
        self, *, is_service: bool = False, need_locations: bool = True, as_owner: bool = True
    ) -> Config:
        """The checked configuration; what is unwise about it is said on standard error.

        Args:
            need_locations: false for commands that a person needs to find the locations out.
            is_service: log what happens; other commands say it themselves, in words, and log only
                what is wrong (or what TILLBRIDGE_LOG_LEVEL asks for).
            as_owner: root becomes the ledger's owner; false for commands that write or read a
                file that their caller names.

        Raises:
            ConfigError: with every problem at once.
        """
        loaded = self.load_quietly(
            is_service=is_service, need_locations=need_locations, as_owner=as_owner
        )
        for warning in loaded.warnings:
            say(f"Note: {warning}")
        return loaded.config

    def load_quietly(
        self, *, is_service: bool = False, need_locations: bool = True, as_owner: bool = True
    ) -> Loaded:
        """As `load`, with what is unwise for the caller to tell."""
        from tillbridge.config import Loaded, load
        from tillbridge.log import configure_logging
        from tillbridge.memory import end_start

        end_start()  # the command's own modules have been imported
        asked = os.environ.get("TILLBRIDGE_LOG_LEVEL")
        configure_logging(None if is_service else asked or "critical")
        loaded = load(self.config_path(), need_locations=need_locations)
        if not as_owner or os.geteuid() != 0:
            return loaded
        from tillbridge.cli.stepping_down import step_down

        config = step_down(loaded.config, self.ledger_path(loaded.config), os.environ)
        return Loaded(config, loaded.warnings)

    def load_alarms(self) -> tuple[str, Alarms]:
        """The installation's name and the table [alarms], whatever the rest of the file says.

        Raises:
            ConfigError: that table cannot be read.
        """
        from tillbridge.config import find_config, load_alarms
        from tillbridge.log import configure_logging

        configure_logging(os.environ.get("TILLBRIDGE_LOG_LEVEL") or "critical")
        return load_alarms(find_config(self.config_file, self.instance, os.environ))

    def config_path(self) -> Path:
        """The configuration file in force."""
        from tillbridge.config import find_config

        return find_config(self.config_file, self.instance, os.environ)

    def ledger_path(self, config: Config) -> Path:
        """The ledger in force."""
        from tillbridge.config import ledger_path

        return ledger_path(config, self.instance, os.environ)


def say(text: str) -> None:
    """Words for a person, on standard error; results go to standard output."""
    from tillbridge.log import redact

    print(redact(text), file=sys.stderr, flush=True)


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 sale", "2 sales"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    import json

    from tillbridge.log import redact

    print(redact(json.dumps(document, indent=2, ensure_ascii=False)))
