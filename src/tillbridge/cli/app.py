"""The commands and their options. Every body is a call into a module that is loaded only then."""

from pathlib import Path
from typing import Annotated

import typer

from tillbridge import __version__
from tillbridge.cli.arguments import AsJson, ConfigFile, FirstDay, Instance, LastDay, Names
from tillbridge.cli.care import care_app
from tillbridge.cli.figures import figures_app
from tillbridge.cli.options import Common
from tillbridge.cli.setup import setup_app

app = typer.Typer(
    name="tillbridge",
    help="Carries every sale from Lightspeed Restaurant K-Series into Connecteam, exactly once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
config_app = typer.Typer(help="The configuration file.", no_args_is_help=True)
quarantine_app = typer.Typer(help="Sales that cannot be sent as they are.", no_args_is_help=True)
doubts_app = typer.Typer(help="Requests whose outcome is not known.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(doubts_app, name="doubts")
app.add_typer(setup_app)
app.add_typer(care_app)
app.add_typer(figures_app)


def _version(value: bool) -> None:  # Typer's signature
    if value:
        typer.echo(f"tillbridge {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    config: ConfigFile = None,
    instance: Instance = None,
    _version_flag: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = Common(config, instance)


@app.command()
def run(context: typer.Context, config: ConfigFile = None, instance: Instance = None) -> None:
    """Run the service: poll, settle, post, until SIGTERM."""
    from tillbridge.cli.service import run as command

    command(Common.of(context, config, instance))


@app.command()
def once(
    context: typer.Context,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Do one pass and exit: read all, settle what can be settled now, post what waits."""
    from tillbridge.cli.once import once as command

    raise typer.Exit(command(Common.of(context, config, instance), as_json=as_json))


@app.command()
def backfill(
    context: typer.Context,
    first: FirstDay,
    last: LastDay = None,
    location: Names = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Carry history over; can be interrupted and run again."""
    from tillbridge.cli.history import backfill as command

    days = (first.date(), last.date() if last else None)
    names = location or []
    common = Common.of(context, config, instance)
    raise typer.Exit(command(common, days, names, dry_run=dry_run, as_json=as_json))


@app.command()
def status(
    context: typer.Context,
    all_of_them: Annotated[
        bool, typer.Option("--all", help="Every installation on this machine.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Say how far each location is, what is late, and what needs a person."""
    common = Common.of(context, config, instance)
    if all_of_them:
        from tillbridge.cli.fleet import status_of_all

        raise typer.Exit(status_of_all(common, as_json=as_json))
    from tillbridge.cli.state import status as command

    raise typer.Exit(command(common, as_json=as_json))


@quarantine_app.command("list")
def quarantine_list(
    context: typer.Context,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """List the sales set aside, each with its reason."""
    from tillbridge.cli.attention import list_quarantine as command

    raise typer.Exit(command(Common.of(context, config, instance), as_json=as_json))


@quarantine_app.command("retry")
def quarantine_retry(
    context: typer.Context,
    sales: Annotated[list[str] | None, typer.Argument(help="References; all if left out.")] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Map the sales set aside once more, with the rules as they are now."""
    from tillbridge.cli.attention import retry_quarantine as command

    raise typer.Exit(command(Common.of(context, config, instance), sales or [], as_json=as_json))


@quarantine_app.command("drop")
def quarantine_drop(
    context: typer.Context,
    sales: Annotated[list[str], typer.Argument(help="References, as `quarantine list` shows.")],
    reason: Annotated[str, typer.Option("--reason", help="Kept with the sale.")],
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Give sales up; they will not be sent."""
    from tillbridge.cli.attention import drop_quarantine as command

    common = Common.of(context, config, instance)
    raise typer.Exit(command(common, sales, reason, as_json=as_json))


@doubts_app.command("list")
def doubts_list(
    context: typer.Context,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """List the requests whose outcome is not known, and what happens next."""
    from tillbridge.cli.attention import list_doubts as command

    raise typer.Exit(command(Common.of(context, config, instance), as_json=as_json))


@app.command()
def settle(
    context: typer.Context,
    doubt: Annotated[
        str, typer.Argument(help="As `doubts list` shows it, or the name of a stop in `status`.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="How you know; kept with the doubt.")],
    landed: Annotated[bool, typer.Option("--landed", help="Its sales are in Connecteam.")] = False,
    not_landed: Annotated[
        bool, typer.Option("--not-landed", help="They are not; send them again.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take everything of that time out and send it again.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Decide a doubt that only a person can decide."""
    from tillbridge.cli.attention import settle as command

    common = Common.of(context, config, instance)
    words = {"landed": landed, "not_landed": not_landed, "replace": replace}
    raise typer.Exit(command(common, doubt, reason, words, as_json=as_json))


@app.command()
def sandbox(
    seed: Annotated[int, typer.Option(help="The same seed gives the same trade.")] = 1,
    days: Annotated[int, typer.Option(help="Days of history.")] = 1,
    locations: Annotated[int, typer.Option(help="How many restaurants.")] = 2,
    plan: Annotated[str, typer.Option(help="small, expert, enterprise or none.")] = "expert",
    lag: Annotated[float, typer.Option(help="Seconds until totals show a sale.")] = 0.0,
    live_every: Annotated[float, typer.Option(help="Close a sale every so many seconds.")] = 0.0,
    folder: Annotated[
        Path | None, typer.Option(help="Where to write a configuration that fits.")
    ] = None,
) -> None:
    """Serve both vendors on loopback, with a day of trade."""
    from tillbridge.cli.play import sandbox as command

    command(seed=seed, days=days, locations=locations, plan=plan, lag_s=lag,
            live_every_s=live_every, folder=folder)  # fmt: skip


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="The same seed gives the same trade.")] = 1,
) -> None:
    """Carry a day of trade over, end to end, with both vendors simulated on loopback."""
    from tillbridge.cli.play import demo as command

    raise typer.Exit(command(seed))


@app.command("install-service")
def install_service(
    context: typer.Context,
    instance: Instance = None,
    credential: Annotated[
        list[str] | None,
        typer.Option(
            help="Store this credential: the file that it is in, or - for standard input.",
            metavar="NAME=FILE",
        ),
    ] = None,
    encrypt: Annotated[
        bool, typer.Option("--encrypt", help="Store credentials encrypted for this machine.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    uninstall: Annotated[
        bool, typer.Option("--uninstall", help="Take the service away; the ledger stays.")
    ] = False,
    program: Annotated[
        str | None, typer.Option(help="Where tillbridge is, if not where this one is.")
    ] = None,
    root: Annotated[Path, typer.Option(help="The folder that stands for /.")] = Path("/"),
) -> None:
    """Put the service in place: units, user, folders and credentials."""
    from tillbridge.cli.installing import install_service as command

    common = Common.of(context, None, instance)
    code = command(
        common.instance, root, program, credential or [],
        encrypt=encrypt, dry_run=dry_run, uninstall=uninstall,
    )  # fmt: skip
    raise typer.Exit(code)


@config_app.command("example")
def config_example() -> None:
    """Print the commented sample."""
    from tillbridge.cli.settings import example as command

    command()


@config_app.command("show")
def config_show(
    context: typer.Context, config: ConfigFile = None, instance: Instance = None
) -> None:
    """Print the effective values, secrets hidden."""
    from tillbridge.cli.settings import show as command

    command(Common.of(context, config, instance))


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON schema of the configuration."""
    from tillbridge.cli.settings import schema as command

    command()
