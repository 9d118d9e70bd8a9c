"""The commands that connect both sides: sign-in, check, locations; bodies elsewhere."""

from datetime import datetime
from typing import Annotated

import typer

from tillbridge.cli.arguments import AsJson, ConfigFile, Instance
from tillbridge.cli.options import Common

setup_app = typer.Typer()
locations_app = typer.Typer(help="The locations of both sides.", no_args_is_help=True)
setup_app.add_typer(locations_app, name="locations")


@setup_app.command()
def init(
    context: typer.Context,
    extra: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Write this key, too; may be repeated."),
    ] = None,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Set everything up, step by step."""
    from tillbridge.cli.guiding import init as command

    raise typer.Exit(command(Common.of(context, config, instance), extra or []))


@setup_app.command()
def authorize(
    context: typer.Context,
    listen: Annotated[
        bool, typer.Option("--listen", help="Catch the answer here instead of asking for it.")
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the first page in a browser of this machine.")
    ] = False,
    import_refresh_token: Annotated[
        str | None,
        typer.Option(
            "--import-refresh-token",
            metavar="-",
            help="Read a refresh token from standard input and exchange it at once.",
        ),
    ] = None,
    show_status: Annotated[bool, typer.Option("--status", help="Say how the sign-in is.")] = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Sign in to Lightspeed, in the browser."""
    from tillbridge.cli.signin import authorize as command

    common = Common.of(context, config, instance)
    code = command(common, import_refresh_token, show_status=show_status, listen=listen,
                   open_browser=open_browser)  # fmt: skip
    raise typer.Exit(code)


@setup_app.command()
def check(
    context: typer.Context,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Say whether everything is right: configuration, sign-ins, locations, other writers."""
    from tillbridge.cli.checking import check as command

    raise typer.Exit(command(Common.of(context, config, instance), as_json=as_json))


@locations_app.command("list")
def locations_list(
    context: typer.Context,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """List the locations of Lightspeed and of Connecteam, and which feeds which."""
    from tillbridge.cli.places import list_locations as command

    raise typer.Exit(command(Common.of(context, config, instance), as_json=as_json))


@locations_app.command("match")
def locations_match(
    context: typer.Context,
    write: Annotated[
        bool, typer.Option("--write", help="Write the tables into the configuration.")
    ] = False,
    start: Annotated[
        datetime | None,
        typer.Option(
            "--start",
            formats=["%Y-%m-%d"],
            metavar="DAY",
            help="First day to carry over; today if left out.",
        ),
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Others enter sales at these locations, too.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Pair the locations of both sides by name."""
    from tillbridge.cli.pairing import Wish
    from tillbridge.cli.pairing import match_locations as command

    wish = Wish(write, start.date() if start else None, shared, as_json)
    raise typer.Exit(command(Common.of(context, config, instance), wish))


@locations_app.command("create")
def locations_create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As people will see it in Connecteam, for good.")],
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Create a location in Connecteam, unless one of that name is there."""
    from tillbridge.cli.places import create_location as command

    raise typer.Exit(command(Common.of(context, config, instance), name, as_json=as_json))
