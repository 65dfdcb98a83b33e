"""The packages under test, and the same with a higher version, for upgrades."""

import pathlib
import shutil

from machine import must, needed_by, run

ROOT = pathlib.Path(__file__).resolve().parents[2]


def is_older_than_the_source(directory):
    debs = [*directory.glob("mailroot_*.deb"), *directory.glob("mailroot-mta_*.deb")]
    if len(debs) != 2:
        return True
    made = min(deb.stat().st_mtime for deb in debs)
    parts = ["src", "include", "bench", "conf", "packaging", "systemd"]
    files = [path for part in parts for path in (ROOT / part).rglob("*") if path.is_file()]
    files += [ROOT / "meson.build", ROOT / "meson_options.txt", ROOT / "README.md"]
    return any(path.stat().st_mtime > made for path in files)


class Packages:
    def __init__(self, directory, cache):
        self.cache = cache
        if is_older_than_the_source(directory):
            done = run(ROOT / "packaging/build", "--out", directory)
            assert done.returncode == 0, done.stdout + done.stderr
        [self.mailroot] = directory.glob("mailroot_*.deb")
        [self.bench] = directory.glob("mailroot-bench_*.deb")
        [self.mta] = directory.glob("mailroot-mta_*.deb")
        self.released = (self.mailroot, self.bench, self.mta)
        self.all = sorted(directory.glob("*.deb"))

    def needed(self):
        """Of other makers, to install them all."""
        names = {name for deb in self.released for name in needed_by(deb)}
        return sorted(names - {"mailroot"})

    def field(self, name):
        return must("dpkg-deb", "--field", self.mailroot, name).strip()

    def newer(self, change=lambda tree: None):
        """The same package one version later; `change` may do something to its unpacked tree."""
        version = self.field("Version") + "+newer"
        tree = self.cache / "newer"
        shutil.rmtree(tree, ignore_errors=True)
        must("dpkg-deb", "--raw-extract", self.mailroot, tree)
        control = tree / "DEBIAN/control"
        control.write_text(control.read_text().replace(f"Version: {self.field('Version')}\n",
                                                       f"Version: {version}\n"))
        change(tree)
        deb = self.cache / f"mailroot_{version}_{self.field('Architecture')}.deb"
        must("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, deb)
        return deb, version
