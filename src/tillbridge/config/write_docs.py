"""Write config.example.toml and docs/configuration.md anew.

Run `python -m tillbridge.config.write_docs` at the root of the repository after a change to the
models; a test compares the two files with what the models say.
"""

import sys
from pathlib import Path

from tillbridge.config.reference import reference_markdown
from tillbridge.config.render import example_toml


def write(root: Path) -> None:
    """Write both files under the root of a repository."""
    (root / "docs").mkdir(exist_ok=True)
    (root / "config.example.toml").write_text(example_toml(), encoding="utf-8")
    (root / "docs" / "configuration.md").write_text(reference_markdown(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
