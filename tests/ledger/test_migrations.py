"""An old ledger becomes a current one in one step, or stays as it was, with a copy beside it."""

import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from importlib.resources import files
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from ledger.test_disk import largest_file
from ledger.tools import Shop, StillClock, raw, record
from tillbridge.errors import TryLater
from tillbridge.ledger import migrate, store
from tillbridge.ledger.schema import metadata
from tillbridge.ledger.store import HEAD, Ledger

MIGRATIONS = Path(str(files("tillbridge.ledger") / "migrations"))

NEXT = """
import os
import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{before}"


def upgrade() -> None:
    op.create_table("table_of_tomorrow", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("sale", sa.Column("tomorrow", sa.Text(), nullable=True))
    op.execute("UPDATE sale SET tomorrow = 'rain', reference = reference || '!'")
    {ending}
"""
NUMBER = f"{int(HEAD) + 1:04}"


@pytest.fixture
def tomorrow(tmp_path, monkeypatch):
    """A version with one more migration than there is, which ends in this statement."""

    def begin(ending="pass"):
        package = tmp_path / "tomorrow"
        if not package.exists():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(MIGRATIONS, package / "migrations", ignore=ignored)
        text = NEXT.format(number=NUMBER, before=HEAD, ending=ending)
        (package / "migrations" / "versions" / f"{NUMBER}_tomorrow.py").write_text(text)
        monkeypatch.setattr(store, "HEAD", NUMBER)
        monkeypatch.setattr(migrate, "files", lambda _name: package)
        return package

    return begin


@pytest.fixture
def old(path):
    """A ledger of this version with two sales, closed."""
    shop = Shop(path)
    shop.take(record("R1"), record("R2", None))
    shop.ledger.close()
    return path


def content(path):
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def version(path):
    return raw(path, "SELECT version_num FROM alembic_version")[0][0]


def copy_of(path):
    return path.with_name(f"ledger.db.before-{NUMBER}-was-{HEAD}")


# -- the migrations and the schema are one -------------------------------------------------------


@pytest.fixture
def migrated(tmp_path):
    """The file that all migrations make of nothing."""
    path = tmp_path / "migrated.db"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as commit:
        migrate.upgrade(commit)
    engine.dispose()
    return path


def test_the_migrations_lead_to_the_schema(migrated):
    with create_engine(f"sqlite:///{migrated}").connect() as view:
        context = MigrationContext.configure(view, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        view.engine.dispose()


def shape(connection):
    """All that SQLite knows of the tables, whatever the order of columns: also partial indices
    and checks, which Alembic does not compare.
    """
    names = [
        row[0]
        for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if row[0] != "alembic_version"
    ]
    tables = {}
    for name in names:
        (text,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)
        ).fetchone()
        tables[name] = {
            "columns": sorted(row[1:] for row in connection.execute(f"PRAGMA table_xinfo({name})")),
            "keys": sorted(
                row[2:] for row in connection.execute(f"PRAGMA foreign_key_list({name})")
            ),
            "checks": sorted(re.findall(r"CONSTRAINT (\w+) CHECK \((.*)\)", text)),
            "unique": len(re.findall(r"UNIQUE \(", text)),
        }
    indices = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    )
    return {"tables": tables, "indices": {row[0]: " ".join(row[1].split()) for row in indices}}


def test_a_new_ledger_is_what_the_migrations_make_down_to_the_conditions_of_indices(shop, migrated):
    with (
        closing(sqlite3.connect(migrated)) as by_migrations,
        closing(sqlite3.connect(shop.path)) as at_once,
    ):
        found, wanted = shape(at_once), shape(by_migrations)
    assert wanted["tables"]["sale"]["checks"]
    assert found == wanted
    assert version(migrated) == version(shop.path)
    table = "SELECT sql FROM sqlite_master WHERE name = 'alembic_version'"
    texts = {"".join(raw(path, table)[0][0].split()) for path in (migrated, shop.path)}
    assert len(texts) == 1


def test_the_newest_migration_is_the_one_the_ledger_compares_with():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    assert script.get_heads() == [HEAD]
    line = [each.revision for each in script.walk_revisions()]
    assert line == [f"{number:04}" for number in range(len(line), 0, -1)]
    names = sorted(file.name for file in (MIGRATIONS / "versions").glob("0*.py"))
    assert [name[:4] for name in names] == line[::-1]


def test_a_new_ledger_is_current_and_has_no_copy(path):
    Shop(path).ledger.close()
    assert version(path) == HEAD
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"]


# -- Alembic is slow to import -------------------------------------------------------------------

OPEN = """
import sys
from pathlib import Path
from tillbridge.clock import SystemClock
from tillbridge.ledger.store import Ledger
Ledger(Path(sys.argv[1]), SystemClock()).close()
print(any(name.split(".")[0] == "alembic" for name in sys.modules))
"""


def imports_alembic(path):
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip() == "True"


def test_alembic_is_not_imported_where_there_is_nothing_to_migrate(path):
    assert not imports_alembic(path)
    assert not imports_alembic(path)


# -- from one version to the next ----------------------------------------------------------------


def test_an_old_ledger_is_migrated_and_a_private_copy_is_kept(old, tomorrow):
    before = content(old)
    tomorrow()
    Ledger(old, StillClock()).close()
    assert version(old) == NUMBER
    assert raw(old, "SELECT reference, tomorrow FROM sale ORDER BY id") == [
        ("R1!", "rain"),
        ("R2!", "rain"),
    ]
    copy = copy_of(old)
    assert content(copy) == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(file.name for file in old.parent.iterdir()) == ["ledger.db", copy.name]


def test_the_copy_opens_with_the_version_that_made_it(old, tomorrow, monkeypatch):
    tomorrow()
    Ledger(old, StillClock()).close()
    monkeypatch.undo()
    copy = copy_of(old)
    copy.replace(old)
    shop = Shop(old)
    assert [row.reference for row in shop.rows()] == ["R1", "R2"]
    shop.ledger.close()


def test_a_migration_that_fails_half_way_leaves_the_ledger_as_it_was(old, tomorrow):
    before = content(old)
    tomorrow("raise RuntimeError('half-way')")
    with pytest.raises(RuntimeError, match="half-way"):
        Ledger(old, StillClock())
    assert content(old) == before
    assert content(copy_of(old)) == before
    tomorrow()
    Ledger(old, StillClock()).close()
    assert version(old) == NUMBER


KILLED = """
import sys
from pathlib import Path
from tillbridge.clock import SystemClock
from tillbridge.ledger import migrate, store
package, path, store.HEAD = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
migrate.files = lambda _name: package
store.Ledger(path, SystemClock())
"""


def killed_within(package, path, number):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(package), str(path), number],
        capture_output=True,
        check=False,
    )
    assert done.returncode == -9, done.stderr.decode()


def test_a_process_killed_within_a_migration_leaves_the_ledger_as_it_was(old, tomorrow):
    before = content(old)
    killed_within(tomorrow("os.kill(os.getpid(), 9)"), old, NUMBER)
    assert content(old) == before
    tomorrow()
    Ledger(old, StillClock()).close()
    assert version(old) == NUMBER


KILLED_WHILE_NEW = """
import os, sys
from pathlib import Path
from sqlalchemy import event
from tillbridge.clock import SystemClock
from tillbridge.ledger import schema, store
event.listen(schema.part, "after_create", lambda *_, **__: os.kill(os.getpid(), 9))
store.Ledger(Path(sys.argv[1]), SystemClock())
"""


def test_a_process_killed_while_it_makes_a_new_ledger_leaves_one_that_can_be_made(path):
    command = [sys.executable, "-c", KILLED_WHILE_NEW, str(path)]
    assert subprocess.run(command, check=False).returncode == -9
    assert raw(path, "SELECT count(*) FROM sqlite_master") == [(0,)]
    Ledger(path, StillClock()).close()
    assert version(path) == HEAD


def test_without_space_for_the_copy_nothing_is_migrated(old, tomorrow):
    before = content(old)
    tomorrow()
    with largest_file(10_000), pytest.raises(TryLater, match="disk") as caught:
        Ledger(old, StillClock())
    assert str(old) in caught.value.message
    assert content(old) == before
    assert not copy_of(old).exists()
    Ledger(old, StillClock()).close()
    assert version(old) == NUMBER
    assert content(copy_of(old)) == before


def test_a_second_process_waits_for_the_migration_of_the_first(old, tomorrow):
    before = content(old)
    package = tomorrow("import time; time.sleep(0.5)")
    command = [sys.executable, "-c", KILLED, str(package), str(old), NUMBER]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    errors = [each.communicate(timeout=60)[1] for each in both]
    assert [each.returncode for each in both] == [0, 0], errors
    assert raw(old, "SELECT reference FROM sale ORDER BY id") == [("R1!",), ("R2!",)]
    assert content(copy_of(old)) == before
