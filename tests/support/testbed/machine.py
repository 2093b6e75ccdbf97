"""A machine of its own: systemd, booted from a view of this machine's files, in a network namespace.

What it writes is kept in memory, over files that it only reads. Soundgate is installed in it as
deploy/README.md says. Nothing of this machine's own services starts in it.
"""

import os
import time
from pathlib import Path

from .process import Background, run

REPOSITORY = Path(__file__).resolve().parents[3]
BOOT_SECONDS_MAX = 30
# Where no systemd runs there is nobody to make a unit.
_KEEP_UNIT = [] if Path("/run/systemd/system").exists() else ["--keep-unit"]

# Arguments: folder, build, then what boots it. All mounts go when the last process does.
_BOOT = r"""
set -eu
folder=$1 build=$2; shift 2
mkdir "$folder/machine"
mount -t tmpfs none "$folder/machine"
cd "$folder/machine"
mkdir upper work root
mount -t overlay none -o lowerdir=/,upperdir=upper,workdir=work root
rm -rf root/etc/systemd/system/* root/etc/systemd/journald.conf* \
  root/var/lib/soundgate* root/etc/default/soundgate-bypass
: > root/etc/fstab
echo 5a6d1c0e8f0b4f3a9d2e7b1c4a5f6e7d > root/etc/machine-id
mkdir root/etc/systemd/journald.conf.d
printf '[Journal]\nStorage=volatile\n' > root/etc/systemd/journald.conf.d/volatile.conf
cmake --install "$build" --prefix "$PWD/root/usr" --strip
cp --recursive "$folder/machine-etc/." root/etc
# Where no systemd is that would make one: control groups of its own, to tell it from its like. (Of
# hierarchies that take none it gets on without: a boot that cannot is seen as one that does not end.)
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
  if [ ! -e /run/systemd/system ] && [ -e $hierarchy/cgroup.procs ]; then
    mkdir "$hierarchy/${folder##*/}" && echo $$ > "$hierarchy/${folder##*/}/cgroup.procs" || true
  fi
done
exec "$@"
"""


_TRY = r"""
set -eu
test -x /lib/systemd/systemd
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay none -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
systemd-nspawn --quiet --directory /mnt/root --register=no "$@" --console=pipe true
"""


def is_possible():
    """Whether this machine can boot another one. What is missing is in deploy/setup.sh."""
    tried = run("unshare", "--mount", "sh", "-c", _TRY, "machine", *_KEEP_UNIT, check=False)
    return tried.returncode == 0


class Machine:
    """Thread: boot and stop from the main thread; the rest from any."""

    def __init__(self, network, folder, build):
        self._network = network
        self._folder = folder
        self._build = build
        self._etc = folder / "machine-etc"
        self.log_path = folder / "machine.log"
        self._process = None
        self.leader = None  # systemd, as this machine counts processes

    def write(self, path, text):
        """A file of /etc, before or after the boot."""
        assert path.startswith("/etc/"), path
        under = self._etc if self.leader is None else Path(f"/proc/{self.leader}/root/etc")
        file = under / path.removeprefix("/etc/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def read(self, path):
        return Path(f"/proc/{self.leader}/root{path}").read_text(errors="replace")

    def boot(self):
        self._etc.mkdir(exist_ok=True)
        self._process = Background(
            ["unshare", "--mount", "sh", "-c", _BOOT, "machine", self._folder, self._build,
             "systemd-nspawn", "--quiet", "--boot", "--directory", self._folder / "machine/root",
             "--machine", f"sgbed-{os.getpid()}", "--register=no",
             *_KEEP_UNIT,
             f"--bind-ro={REPOSITORY}",  # /tmp is its own, and this may be below it
             "--network-namespace-path", f"/run/netns/{self._network.gate}",
             "--capability=CAP_NET_ADMIN,CAP_IPC_LOCK", "--console=pipe",
             "--link-journal=no", "--resolv-conf=off", "--timezone=off"], self.log_path)
        self._await_boot()

    def _await_boot(self):
        deadline = time.monotonic() + BOOT_SECONDS_MAX
        while not self._has_booted():
            if self._process.exit_code is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no systemd booted: {self._process.log_tail()}")
            time.sleep(0.05)

    def _has_booted(self):
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        try:
            names = [Path(f"/proc/{child}/comm").read_text() for child in children]
        except (FileNotFoundError, ProcessLookupError):
            return False  # one of those that prepare it has just ended
        if names != ["systemd\n"]:
            return False
        self.leader = int(children[0])
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")

    def stop(self):
        if self._process:
            self._process.stop()
            self._process = None
            self._remove_control_groups()

    def _remove_control_groups(self):
        for kind in ("", "systemd", "unified"):
            own = Path("/sys/fs/cgroup", kind, self._folder.name)
            for group, _, _ in os.walk(own, topdown=False):
                os.rmdir(group)

    def within(self, *command):
        """The command, as it is run inside."""
        return ["nsenter", "--target", self.leader, "--all", *command]

    def run(self, *command, **options):
        return run(*self.within(*command), **options)

    def unit(self, name, *properties):
        """What systemd knows of a unit: a dict of texts."""
        shown = self.run("systemctl", "show", name, "--property", ",".join(properties)).stdout
        return dict(line.split("=", 1) for line in shown.splitlines())

    def pid(self, name):
        """The main process of a unit, as this machine counts processes; None where there is none."""
        inside = self.unit(name, "MainPID")["MainPID"]
        if inside == "0":
            return None
        for task in Path("/proc").glob("[0-9]*"):
            numbers = _numbers(task)
            if len(numbers) > 1 and numbers[-1] == inside and self._is_inside(task):
                return int(task.name)
        return None

    def _is_inside(self, task):
        try:
            return os.readlink(task / "ns/pid") == os.readlink(f"/proc/{self.leader}/ns/pid")
        except FileNotFoundError:
            return False


def _numbers(task):
    """A process's number in each of its namespaces, outermost first."""
    try:
        for line in (task / "status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return line.split()[1:]
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has ended meanwhile
    return []
