"""The commands about figures: explain, rules, purge, forecast, export; bodies elsewhere."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from tillbridge.cli.arguments import AsJson, ConfigFile, FirstDay, Instance, LastDay, Names
from tillbridge.cli.options import Common

figures_app = typer.Typer()

PerhapsFirstDay = Annotated[
    datetime | None,
    typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY", help="The beginning if left out."),
]


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


@figures_app.command()
def forecast(
    context: typer.Context,
    csv: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", help="location,date,amount; - is standard input."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show old and new.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Set projected sales in Connecteam; without a file, show them."""
    from tillbridge.cli.forecast import forecast as command

    common = Common.of(context, config, instance)
    raise typer.Exit(command(common, csv, dry_run=dry_run, as_json=as_json))


@figures_app.command()
def export(
    context: typer.Context,
    first: PerhapsFirstDay = None,
    last: LastDay = None,
    location: Names = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="A new file instead of standard output.")
    ] = None,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Write the ledger's sales of a period, as CSV or JSON."""
    from tillbridge.cli.export import export as command
    from tillbridge.cli.periods import days_of

    common = Common.of(context, config, instance)
    code = command(common, days_of(first, last), location or [], output, as_json=as_json)
    raise typer.Exit(code)


@figures_app.command()
def purge(
    context: typer.Context,
    first: FirstDay,
    last: Annotated[
        datetime,
        typer.Option("--to", formats=["%Y-%m-%d"], metavar="DAY", help="Included."),
    ],
    location: Names = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Take a period back out of Connecteam: exactly what was posted there."""
    from tillbridge.cli.periods import whole_days
    from tillbridge.cli.purge import purge as command

    common = Common.of(context, config, instance)
    code = command(
        common,
        whole_days(first, last),
        location or [],
        yes=yes,
        dry_run=dry_run,
        as_json=as_json,
    )
    raise typer.Exit(code)


@figures_app.command()
def rules(
    context: typer.Context,
    first: PerhapsFirstDay = None,
    last: LastDay = None,
    location: Names = None,
    apply: Annotated[bool, typer.Option("--apply", help="Make history so; asks first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Show what a changed configuration would make of history; apply it when asked."""
    from tillbridge.cli.periods import days_of
    from tillbridge.cli.rules import rules as command

    common = Common.of(context, config, instance)
    code = command(
        common, days_of(first, last), location or [], apply=apply, yes=yes, as_json=as_json
    )
    raise typer.Exit(code)


@figures_app.command()
def reconcile(
    context: typer.Context,
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from", formats=["%Y-%m-%d"], metavar="DAY", help="As far back as by night."
        ),
    ] = None,
    last: LastDay = None,
    location: Names = None,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what differs.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be done.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    instance: Instance = None,
) -> None:
    """Compare Lightspeed, the ledger and Connecteam day by day; put right what differs."""
    from tillbridge.cli.periods import days_of
    from tillbridge.cli.reconcile import reconcile as command

    common = Common.of(context, config, instance)
    code = command(
        common,
        days_of(first, last),
        location or [],
        repair=repair,
        dry_run=dry_run,
        as_json=as_json,
    )
    raise typer.Exit(code)
