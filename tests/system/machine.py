"""A machine of its own inside this one: real systemd as process 1, over a copy of this system that
is thrown away. Its files are an overlay, its processes a namespace; only the network is shared, so
that the sandbox's vendors can be reached. Needs root and a kernel that allows all of this.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import tillbridge

INIT = Path("/lib/systemd/systemd")

# Every mount is inside a mount namespace of its own, and goes with its last process.
_BOOT = """
set -e
work=$1 base=$2 site=$3 source=$4
mount -t tmpfs tmpfs "$work"
mkdir "$work/up" "$work/work" "$work/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/up,workdir=$work/work" "$work/root"
cd "$work/root"
# What the program is made of, where a service may look: /opt, and not somebody's home.
mkdir -p opt/tillbridge/bin opt/tillbridge/lib/site opt/tillbridge/lib/source opt/python old
mount --bind "$base" opt/python
mount --bind "$site" opt/tillbridge/lib/site
mount --bind "$source" opt/tillbridge/lib/source
if [ -d "$source/../systemd" ]; then  # a checkout; a wheel has the units inside
    mkdir opt/tillbridge/lib/systemd
    mount --bind "$source/../systemd" opt/tillbridge/lib/systemd
fi
echo /opt/python/lib > etc/ld.so.conf.d/tillbridge-test.conf
mount --rbind /dev dev
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs tmpfs sys/fs/cgroup
mkdir sys/fs/cgroup/unified sys/fs/cgroup/systemd
mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs var/tmp
rm -rf etc/tillbridge var/lib/tillbridge etc/credstore etc/systemd/system/tillbridge*
printf '[Unit]\\nDescription=a machine for a test\\n' > etc/systemd/system/test.target
pivot_root . old
cd /
# As at a real boot: credentials are mounted by a helper, and must be seen outside of it.
mount --make-rshared /
ldconfig
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
    "$5" --system --unit=test.target --log-target=null --show-status=false
"""

_PROGRAM = """#!/opt/python/bin/{python} -I
import sys
sys.path[:0] = ["/opt/tillbridge/lib/source", "/opt/tillbridge/lib/site"]
sys.prefix = "/opt/tillbridge"
from tillbridge.__main__ import main
main()
"""


class CannotBoot(Exception):
    """This machine does not allow it; the reason is for a person."""


class Machine:
    """A machine that runs; use it in a `with` statement.

    Args:
        folder: an empty one, which is mounted over.

    Raises:
        CannotBoot: see there.
    """

    def __init__(self, folder: Path) -> None:
        if os.geteuid() != 0 or not INIT.exists() or shutil.which("unshare") is None:
            raise CannotBoot("it takes root, systemd and unshare")
        script = folder / "boot"
        script.write_text(_BOOT)
        work = folder / "machine"
        work.mkdir()
        source = Path(tillbridge.__file__).parents[1]
        site = sysconfig.get_path("purelib")
        words = [str(work), sys.base_prefix, site, str(source), str(INIT)]
        self._log = folder / "boot.log"
        with self._log.open("wb") as log:
            self._unshare = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--uts", "--ipc",
                 "--cgroup", "sh", str(script), *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            self._init = self._wait_for_init()
            self._write_program()
            self._wait_until_up()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Everything in it is killed by the kernel with its process 1."""
        init = getattr(self, "_init", None)
        if init is not None and self._unshare.poll() is None:
            os.kill(init, signal.SIGKILL)
        self._unshare.kill()
        self._unshare.wait()

    def place(self, path: str) -> Path:
        """A path in it, as this process reaches it."""
        return Path(f"/proc/{self._init}/root{path}")

    def call(self, *words: str, text: str = "", check: bool = True) -> str:
        """Run a command in it as root; what it wrote."""
        done = subprocess.run(
            ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-p", "-C", *words],
            input=text, text=True, capture_output=True, timeout=60, check=False,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "COLUMNS": "200"},
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.call("systemctl", "show", unit, f"--property={name}", "--value").strip()

    def until(self, true: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.1)

    def _wait_for_init(self) -> int:
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._unshare.poll() is None:
            for word in children.read_text().split():
                if os.path.realpath(f"/proc/{word}/exe") == os.path.realpath(INIT):
                    return int(word)
            time.sleep(0.05)
        raise CannotBoot(self._log.read_text(errors="replace").strip() or "it took too long")

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.call("systemctl", "is-system-running", check=False).strip() in {
                "running", "degraded",
            }:  # fmt: skip
                return
            time.sleep(0.1)
        raise CannotBoot("systemd does not come up")

    def _write_program(self) -> None:
        program = self.place("/opt/tillbridge/bin/tillbridge")
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        program.write_text(_PROGRAM.format(python=python))
        program.chmod(0o755)
