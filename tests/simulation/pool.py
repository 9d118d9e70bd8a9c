"""Many seeds on all cores, each core a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]


def run(
    seeds: Sequence[int],
    *,
    jobs: int | None = None,
    source: Path | None = None,
    hash_seed: int = 0,
    stop: bool = False,
) -> Iterator[dict[str, Any]]:
    """The results of these seeds, as they come.

    Args:
        seeds: which.
        jobs: processes; as many as there are cores if None.
        source: a folder with another `tillbridge` to test.
        hash_seed: of Python's hashes, which must not matter.
        stop: end after the first failure.
    """
    count = min(len(seeds), jobs or os.cpu_count() or 1)
    environ = _environ(source, hash_seed)
    with tempfile.TemporaryFile() as errors:
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "simulation.run_seeds",
                 "--only", ",".join(map(str, seeds[number::count]))],
                env=environ, stdout=subprocess.PIPE, stderr=errors, cwd=TESTS,
            )
            for number in range(count)
        ]  # fmt: skip
        try:
            for result in _lines(workers):
                yield result
                if stop and result["failure"]:
                    return
            errors.seek(0)
            if any(worker.wait() not in (0, 1) for worker in workers):
                raise RuntimeError(errors.read().decode()[-4000:])
        finally:
            for worker in workers:
                worker.kill()
                worker.wait()
                assert worker.stdout is not None
                worker.stdout.close()


def _environ(source: Path | None, hash_seed: int) -> Mapping[str, str]:
    before = os.environ.get("PYTHONPATH")
    paths = [str(path) for path in (source, TESTS) if path is not None]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*paths, *([before] if before else [])]),
        "PYTHONHASHSEED": str(hash_seed),
    }


def _lines(workers: list[subprocess.Popen[bytes]]) -> Iterator[dict[str, Any]]:
    """A line of each worker in turn: they are about equally fast, and the order is fixed."""
    open_ones = list(workers)
    while open_ones:
        for worker in list(open_ones):
            assert worker.stdout is not None
            line = worker.stdout.readline()
            if line:
                yield json.loads(line)
            else:
                open_ones.remove(worker)
