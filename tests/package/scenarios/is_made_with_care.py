"""The packages themselves: lintian, what they need, the times in them, their autopkgtest."""

import re
import shutil

from machine import must, run
from packages import ROOT


def scenario_lintian_finds_nothing_but_what_is_argued(stage):
    done = run("lintian", "--pedantic", "--allow-root", "--fail-on",
               "error,warning,info,pedantic", *stage.packages.all)
    assert done.returncode == 0, done.stdout + done.stderr


def scenario_only_debian_s_own_libraries_are_needed(stage):
    """What the build used from elsewhere (clang-19's runtime) must not be needed to run."""
    for deb in stage.packages.released:
        depends = must("dpkg-deb", "--field", deb, "Depends")
        assert re.search(r"\blibc6 \(", depends), depends
        assert not re.search(r"clang|llvm|libc\+\+", depends), depends


def scenario_the_times_in_it_are_those_of_the_changelog(stage):
    listed = "".join(must("dpkg-deb", "--contents", deb) for deb in stage.packages.released)
    days = {line.split()[3] for line in listed.splitlines()}
    assert len(days) == 1, days


def scenario_its_autopkgtest_passes(stage):
    machine = stage.machine()
    machine.install(stage.packages.mailroot, stage.packages.bench)
    shutil.copy(ROOT / "packaging/debian/tests/relays-mail", machine.path("/srv/relays-mail"))
    assert machine.do("/srv/relays-mail").endswith("relayed\n")
