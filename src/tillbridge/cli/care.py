"""The commands that look after an installation: pause, backup, help, alarms; bodies elsewhere."""

from pathlib import Path
from typing import Annotated

import typer

from tillbridge.cli.arguments import ConfigFile, Instance
from tillbridge.cli.options import Common

care_app = typer.Typer()
alarm_app = typer.Typer(help="Telling people what needs them.", no_args_is_help=True)
care_app.add_typer(alarm_app, name="alarm")


@care_app.command()
def pause(
    context: typer.Context,
    location: Annotated[str, typer.Argument(help="Its name in [[locations]].")],
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Read and post nothing more of a location, until `resume`."""
    from tillbridge.cli.pausing import set_paused as command

    raise typer.Exit(command(Common.of(context, config, instance), location, paused=True))


@care_app.command()
def resume(
    context: typer.Context,
    location: Annotated[str, typer.Argument(help="Its name in [[locations]].")],
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Go on with a location that was paused; nothing of the meantime is lost."""
    from tillbridge.cli.pausing import set_paused as command

    raise typer.Exit(command(Common.of(context, config, instance), location, paused=False))


@care_app.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Where to put the copy; it must not exist yet.")],
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Copy the ledger, also while the service runs; without the sign-in."""
    from tillbridge.cli.backups import backup as command

    raise typer.Exit(command(Common.of(context, config, instance), file))


@care_app.command()
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A copy made by `tillbridge backup`.")],
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Put a copy of the ledger in its place; what was posted since is not posted again."""
    from tillbridge.cli.backups import restore as command

    raise typer.Exit(command(Common.of(context, config, instance), file))


@care_app.command("support-bundle")
def support_bundle(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The archive to write, such as help.zip.")],
    amounts: Annotated[
        bool, typer.Option("--amounts", help="With amounts; they are left out otherwise.")
    ] = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Collect what somebody needs to help: versions, settings, status, recent events."""
    from tillbridge.cli.bundle import support_bundle as command

    raise typer.Exit(command(Common.of(context, config, instance), file, amounts=amounts))


@alarm_app.command("test")
def alarm_test(
    context: typer.Context, config: ConfigFile = None, instance: Instance = None
) -> None:
    """Send a message to every address of [alarms], now."""
    from tillbridge.cli.alarm import test as command

    raise typer.Exit(command(Common.of(context, config, instance)))


@alarm_app.command("failed")
def alarm_failed(
    context: typer.Context, config: ConfigFile = None, instance: Instance = None
) -> None:
    """Tell people that the service has ended; systemd calls this."""
    from tillbridge.cli.alarm import failed as command

    raise typer.Exit(command(Common.of(context, config, instance)))
