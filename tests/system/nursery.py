"""Keeps six commands of one installation running at once, and kills some of them.

    python nursery.py CONFIG SECONDS KILL_EVERY_S SEED < refresh tokens, one a line

A command here is a fork of a process that has everything loaded: hundreds of them in seconds, each
a process of its own. Whenever one says that a person must sign in again, the next token is
imported, as that person would. Writes one JSON document.
"""

import io
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from tillbridge.__main__ import main

AT_ONCE = 6


class Nursery:
    def __init__(self, config: str, tokens: list[str]) -> None:
        self.config = config
        self.tokens = iter(tokens)
        self.folder = Path(config).parent / "said"
        self.folder.mkdir(exist_ok=True)
        self.alive: dict[int, Path] = {}
        self.victims: set[int] = set()
        self.counts = {"begun": 0, "ended": 0, "killed": 0, "sign_ins": 0}
        self.strange: list[str] = []

    def run(self, seconds: float, kill_every_s: float, seed: int) -> dict[str, object]:
        rng = random.Random(seed)
        ends = time.monotonic() + seconds
        next_kill = time.monotonic() + kill_every_s
        while time.monotonic() < ends or self.alive:
            while len(self.alive) < AT_ONCE and time.monotonic() < ends:
                self.begin()
            if kill_every_s and time.monotonic() >= next_kill and self.alive:
                next_kill = time.monotonic() + rng.uniform(0, 2 * kill_every_s)
                victim = rng.choice(sorted(self.alive))
                self.victims.add(victim)
                os.kill(victim, signal.SIGKILL)
            child, status = os.waitpid(-1, os.WNOHANG)
            if child:
                self.judge(child, os.waitstatus_to_exitcode(status))
            else:
                time.sleep(0.002)
        return {**self.counts, "strange": self.strange[:5]}

    def begin(self) -> None:
        self.counts["begun"] += 1
        said = self.folder / str(self.counts["begun"])
        self.alive[self.fork(said, ["locations", "list"])] = said

    def judge(self, child: int, code: int) -> None:
        said = self.alive.pop(child)
        if code == -signal.SIGKILL and child in self.victims:
            self.counts["killed"] += 1
            return
        self.counts["ended"] += 1
        words = said.read_text(encoding="utf-8", errors="replace")
        if code == 77 and "was lost" in words and "tillbridge authorize" in words:
            self.sign_in()
        elif code:
            self.strange.append(f"{code}: {words}")

    def sign_in(self) -> None:
        while self.alive:  # the person looks at a quiet machine
            child, _ = os.wait()
            self.alive.pop(child)
        self.counts["sign_ins"] += 1
        said = self.folder / "sign-in"
        words = ["authorize", "--import-refresh-token", "-"]
        child = self.fork(said, words, next(self.tokens) + "\n")
        _, status = os.waitpid(child, 0)
        if status:
            self.strange.append(said.read_text())

    def fork(self, said: Path, words: list[str], text: str = "") -> int:
        """Start a command whose words end up in a file; its process id."""
        child = os.fork()
        if child:
            return child
        out = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os._exit(self.call(words, text))

    def call(self, words: list[str], text: str = "") -> int:
        sys.stdin = io.StringIO(text)
        sys.argv = ["tillbridge", "--config", self.config, *words]
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
        return 0

    def warm(self) -> None:
        """Load here whatever a command loads, so that no fork has to."""
        out, err = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = io.StringIO()
        try:
            self.call(["locations", "list"])
        finally:
            sys.stdout, sys.stderr = out, err


if __name__ == "__main__":
    _, config, seconds, kill_every_s, seed = sys.argv
    nursery = Nursery(config, sys.stdin.read().split())
    nursery.warm()
    told = nursery.run(float(seconds), float(kill_every_s), int(seed))
    sys.stdout.write(json.dumps(told))
