"""Options and arguments that several commands take, named once."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="The configuration file.", show_default=False)
]
Instance = Annotated[
    str | None,
    typer.Option("--instance", help="One of several: /etc/tillbridge/NAME.toml.", metavar="NAME"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Names = Annotated[
    list[str] | None, typer.Option("--location", help="Only this one; may be repeated.")
]
FirstDay = Annotated[
    datetime,
    typer.Option("--from", formats=["%Y-%m-%d"], metavar="DAY", help="In the location's zone."),
]
LastDay = Annotated[
    datetime | None,
    typer.Option("--to", formats=["%Y-%m-%d"], metavar="DAY", help="Included; today if left out."),
]
