"""Both vendors on loopback: an honest double that shares no code with the bridge it serves."""

from tillbridge.sandbox.amounts import Row, Totals
from tillbridge.sandbox.options import Fault, SandboxOptions
from tillbridge.sandbox.places import Place
from tillbridge.sandbox.sample import config_toml
from tillbridge.sandbox.server import Sandbox, serve

__all__ = [
    "Fault",
    "Place",
    "Row",
    "Sandbox",
    "SandboxOptions",
    "Totals",
    "config_toml",
    "serve",
]
