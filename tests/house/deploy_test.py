"""What is shipped, as far as it can be checked without running it: units, packages, installation."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("SOUNDGATE_BUILD", REPOSITORY / "build" / "release"))
UNITS = REPOSITORY / "deploy" / "systemd"
SERVICE, BYPASS = UNITS / "soundgated.service", UNITS / "soundgate-bypass.service"
PROGRAMS = ("soundgated", "soundgate", "soundgate-decoder", "soundgate-bypass")

# What systemd-analyze makes of what a unit may still do: 0 to 10. A change must not make it worse.
EXPOSURE_MAX = {SERVICE: 4.8, BYPASS: 2.3}


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)


def settings(unit):
    return dict(re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE))


@unittest.skipUnless(shutil.which("systemd-analyze"), "needs systemd-analyze")
class Units(unittest.TestCase):
    def test_systemd_understands_them(self):
        with tempfile.TemporaryDirectory() as folder:
            for unit in (SERVICE, BYPASS):
                here = Path(folder, unit.name)
                here.write_text(unit.read_text().replace("/usr/bin/soundgate", "/bin/true --"))
                # (It says what it does not know, and exits 0.)
                done = run("systemd-analyze", "verify", "--man=no", here)
                said = [line for line in done.stderr.splitlines() if unit.name in line]
                self.assertEqual((done.returncode, said), (0, []), unit.name)

    def test_they_may_do_no_more_than_before(self):
        for unit, exposure_max in EXPOSURE_MAX.items():
            done = run("systemd-analyze", "security", "--offline=yes", unit)
            found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
            self.assertTrue(found, done.stderr)
            self.assertLessEqual(float(found[1]), exposure_max, unit.name)


class Promises(unittest.TestCase):
    """What the documentation says of the units, and no test can provoke everywhere."""

    def test_a_decoder_out_of_memory_ends_no_service(self):
        self.assertEqual(settings(SERVICE)["OOMPolicy"], "continue")

    def test_nothing_goes_round_that_nobody_asked_for(self):
        self.assertFalse({"Wants", "Requires", "BindsTo"} & set(settings(SERVICE)))

    def test_the_bypass_comes_first_and_never_gives_up(self):
        self.assertIn(BYPASS.name, settings(SERVICE)["After"])
        for unit in (SERVICE, BYPASS):
            self.assertEqual(settings(unit)["StartLimitIntervalSec"], "0")
            self.assertEqual(settings(unit)["Restart"], "always")


def packages_of_libraries(program):
    """Those of the libraries that a program names itself."""
    named = re.findall(r"\(NEEDED\).*\[(.+)\]", run("readelf", "-d", program).stdout)
    paths = dict(re.findall(r"(\S+) => (\S+)", run("ldd", program).stdout))
    for name in named:
        # Where /lib is /usr/lib, dpkg knows some files by the one name and some by the other.
        real = Path(paths[name]).resolve()
        for path in (real, str(real).removeprefix("/usr"), paths[name]):
            owner = run("dpkg-query", "--search", path)
            if owner.returncode == 0:
                yield owner.stdout.split(":")[0]
                break


def installed_dependencies():
    shown = run("dpkg-query", "--show", "--showformat", "${Package}\t${Pre-Depends}, ${Depends}\n")
    return {package: set(re.findall(r"(?:^|[,|] *)([a-z0-9][a-z0-9+.-]+)", depends))
            for package, depends in
            (line.split("\t", 1) for line in shown.stdout.splitlines())}


def with_dependencies(packages, dependencies):
    found, new = set(), set(packages)
    while new:
        found |= new
        new = set().union(*(dependencies.get(package, set()) for package in new)) - found
    return found


@unittest.skipUnless((BUILD / "bin" / "soundgated").exists() and shutil.which("dpkg-query"),
                     "needs a build, on Debian")
class Appliance(unittest.TestCase):
    def test_setup_brings_every_library(self):
        listed = run(REPOSITORY / "deploy/setup.sh", "--appliance", "--list").stdout.split()
        brought = with_dependencies(listed, installed_dependencies())
        for program in PROGRAMS:
            needed = set(packages_of_libraries(BUILD / "bin" / program))
            self.assertGreater(len(needed), 1, program)
            self.assertEqual(needed - brought, set(), program)

    def test_what_is_installed_is_where_the_units_look(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run("cmake", "--install", BUILD, "--prefix", f"{folder}/usr")
            self.assertEqual(done.returncode, 0, done.stderr)
            for program in PROGRAMS:
                self.assertTrue(os.access(f"{folder}/usr/bin/{program}", os.X_OK), program)
            for unit in (SERVICE, BYPASS):
                copy = Path(folder, "usr/lib/systemd/system", unit.name)
                self.assertEqual(copy.read_text(), unit.read_text())
                started = settings(unit)["ExecStart"].split()[0]
                self.assertTrue(Path(folder + started).exists(), started)


if __name__ == "__main__":
    unittest.main(verbosity=2)
