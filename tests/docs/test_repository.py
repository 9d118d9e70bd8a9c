"""What the repository says about itself is true, and it depends on no machine but a plain one."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
# Folders that a checkout without git must not be searched for: made by tools, never tracked.
MADE_BY_TOOLS = {"__pycache__", "build", "dist", "node_modules"}
NOT_FOR_OTHERS = {
    "a folder of somebody's machine": r"(?<![\w.$}-])/(?:home|Users)/\w|(?<![\w.$}-])/(?:root/|work\b)",
    "a folder beside the checkout": r"(?:\.\./)+shared\b",
    "the address of a package registry": (
        r"pypi\.[a-z]|pythonhosted|(?:extra-)?index-url|find-links|artifactory|/simple/"
    ),
}


def _git_files() -> list[str] | None:
    """The tracked files, or None where this is not a git checkout of its own."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return None
    found = subprocess.run(
        [git, "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=True
    )
    return [name for name in found.stdout.split("\0") if name]


def _walked_files() -> Iterator[str]:
    for folder, folders, names in os.walk(ROOT):
        hidden = {name for name in folders if name.startswith(".") and name != ".ci"}
        folders[:] = [name for name in folders if name not in hidden | MADE_BY_TOOLS]
        for name in names:
            yield str((Path(folder) / name).relative_to(ROOT))


def _files() -> list[str]:
    names = _git_files()
    names = list(_walked_files()) if names is None else names
    return sorted(name for name in names if (ROOT / name).is_file())


FILES = _files()
PAGES = [name for name in FILES if name.endswith(".md")]


def _anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get, as the usual forges make them."""
    headings = re.findall(
        r"^#+ +(.+?) *$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE
    )
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def _links(page: str) -> list[str]:
    text = FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    return [first or second for first, second in LINK.findall(text)]


def _dependency_names(requirements: list[str]) -> list[str]:
    return [re.split(r"[^\w-]", requirement, maxsplit=1)[0] for requirement in requirements]


def _table_after(heading: str) -> list[tuple[str, str]]:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    section = page.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([\w-]+)` \| (.*) \|$", section, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_is_relative_and_leads_somewhere(page: str):
    for link in _links(page):
        if link.startswith(("https://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        assert not target.startswith("/"), f"{link} is absolute"
        assert "://" not in target, f"{link} is neither relative nor https"
        place = ((ROOT / page).parent / target).resolve() if target else ROOT / page
        assert place.is_relative_to(ROOT), f"{link} leads out of the repository"
        if place.is_relative_to(ROOT / "src") and not (ROOT / "src").exists():
            continue  # the wheel is tested with the sources gone
        assert place.exists(), f"{link} leads nowhere"
        if anchor and place.suffix == ".md":
            assert anchor in _anchors(place), f"{link} names no heading"


@pytest.mark.parametrize(
    ("heading", "extra"),
    [("At run time", None), ("For development", "dev"), ("For the benchmark", "bench")],
)
def test_every_dependency_has_its_reason_and_every_reason_its_dependency(
    heading: str, extra: str | None
):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["optional-dependencies"][extra] if extra else project["dependencies"]
    rows = _table_after(heading)
    assert [name for name, _ in rows] == sorted(_dependency_names(wanted))
    assert all(len(reason.split()) >= 3 for _, reason in rows)


@pytest.mark.parametrize("what", NOT_FOR_OTHERS)
def test_no_file_names(what: str):
    this_file = Path(__file__).resolve()
    pattern = re.compile(NOT_FOR_OTHERS[what])
    found = [
        f"{name}: {match[0]}"
        for name in FILES
        if (ROOT / name).resolve() != this_file  # the patterns themselves
        for match in pattern.finditer((ROOT / name).read_text(encoding="utf-8", errors="replace"))
    ]
    assert found == []


def _fenced_lines(page: str) -> list[str]:
    """The lines of a page's code blocks, without a prompt."""
    blocks = FENCE.findall((ROOT / page).read_text(encoding="utf-8"))
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def test_every_make_target_that_a_page_names_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    for page in PAGES:
        inline = re.findall(r"`make ([a-z-]+)", (ROOT / page).read_text(encoding="utf-8"))
        typed = [line.split()[1] for line in _fenced_lines(page) if re.match(r"make [a-z]", line)]
        assert {*inline, *typed} <= targets, page


def test_the_readme_gives_the_test_command_that_the_continuous_run_uses():
    assert any(re.match(r"make test( |$)", line) for line in _fenced_lines("README.md"))


@pytest.mark.parametrize("script", ["scripts/setup", ".ci/run"])
def test_a_script_is_executable_and_parses(script: str):
    path = ROOT / script
    shell = path.read_text(encoding="utf-8").splitlines()[0].rsplit("/", 1)[1].split()[-1]
    assert os.access(path, os.X_OK)
    checked = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def _setup(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "scripts" / "setup"), *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_setup_says_in_one_sentence_that_no_python_is_recent_enough(tmp_path: Path):
    done = _setup(TILLBRIDGE_VENV=str(tmp_path / "venv"), TILLBRIDGE_PYTHON="/bin/false")
    assert done.returncode == 1
    assert done.stderr.startswith("setup: no Python 3.11 or newer was found")
    assert done.stderr.count("\n") == 1


def test_setup_never_clears_a_folder_that_is_not_an_environment(tmp_path: Path):
    (tmp_path / "precious").touch()
    done = _setup(TILLBRIDGE_VENV=str(tmp_path))
    assert done.returncode == 1
    assert "is not a Python environment" in done.stderr
    assert (tmp_path / "precious").exists()


def test_setup_refuses_an_argument_that_it_does_not_know():
    done = _setup("--develop")
    assert done.returncode == 1
    assert "unknown argument --develop" in done.stderr
