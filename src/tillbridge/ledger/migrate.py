"""Bring a ledger's schema up to date with Alembic, inside the caller's commit."""

from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(commit: Connection) -> None:
    """Run every migration that the ledger has not seen; all of them, or none."""
    with as_file(files("tillbridge.ledger") / "migrations") as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connection"] = commit
        command.upgrade(config, "head")
