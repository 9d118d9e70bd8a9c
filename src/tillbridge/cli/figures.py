"""The commands about figures: explain, rules, purge, forecast, export; bodies elsewhere."""

from typing import Annotated

import typer

from tillbridge.cli.arguments import AsJson, ConfigFile, Instance, Names
from tillbridge.cli.options import Common

figures_app = typer.Typer()


@figures_app.command()
def explain(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="SALE|DAY",
            help="accountReference, accountFiscId, receipt or transaction id; or YYYY-MM-DD.",
        ),
    ],
    location: Names = None,
    ledger_only: Annotated[
        bool, typer.Option("--ledger-only", help="Do not read the lines again from Lightspeed.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Tell how a sale, or a location's day, became what Connecteam shows."""
    from tillbridge.cli.explain import explain as command

    common = Common.of(context, config, instance)
    code = command(common, what, location or [], as_json=as_json, ledger_only=ledger_only)
    raise typer.Exit(code)
