"""The configuration: one schema that checks, explains, makes the sample and documents.

`load` reads a file and tells everything that is wrong with it at once. Only `cli` and `wiring`
import this package. Its parts: `vendors`, `sections` and `model` (every key), `values` and
`parsing` (what a person may write), `checks` (two keys together), `problems` (sentences), `load`,
`find` (where files are), `layout`, `render` and `reference` (what is generated).
"""

from tillbridge.config.alarming import Alarms
from tillbridge.config.find import find_config, ledger_path, state_directory
from tillbridge.config.load import Loaded, load, load_alarms, parse
from tillbridge.config.model import CONFIG_VERSION, Config, Location
from tillbridge.config.reference import json_schema, reference_markdown
from tillbridge.config.render import effective, example_toml
from tillbridge.config.sections import (
    Doubt,
    Ledger,
    Mapping,
    RescanAt,
    RescanEvery,
    Section,
    Sync,
)
from tillbridge.config.vendors import Connecteam, Lightspeed, LightspeedAddresses

__all__ = [
    "CONFIG_VERSION",
    "Alarms",
    "Config",
    "Connecteam",
    "Doubt",
    "Ledger",
    "Lightspeed",
    "LightspeedAddresses",
    "Loaded",
    "Location",
    "Mapping",
    "RescanAt",
    "RescanEvery",
    "Section",
    "Sync",
    "effective",
    "example_toml",
    "find_config",
    "json_schema",
    "ledger_path",
    "load",
    "load_alarms",
    "parse",
    "reference_markdown",
    "state_directory",
]
