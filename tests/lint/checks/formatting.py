"""clang-format has nothing to change."""

import pathlib
import re
import shutil
import subprocess

from .source import CPP, Finding, files

WARNING = re.compile(r"^(?P<path>[^:\n]+):(?P<line>\d+):\d+: (?:error|warning): code should be")
BATCH = 100


def check(root, build):
    del build
    program = shutil.which("clang-format-19")
    if program is None:
        yield Finding(root, 0, "clang-format-19 is not installed (Debian package clang-format-19)")
        return
    paths = files(root, CPP, ("src", "include", "tests", "bench"))
    for start in range(0, len(paths), BATCH):
        done = subprocess.run(
            [program, "--dry-run", "--Werror", "--style=file", *paths[start:start + BATCH]],
            cwd=root, capture_output=True, text=True)
        seen = set()
        for line in done.stderr.splitlines():
            match = WARNING.match(line)
            if match and match["path"] not in seen:
                seen.add(match["path"])
                yield Finding(pathlib.Path(match["path"]), int(match["line"]),
                              "not formatted: run clang-format-19 -i")
        if done.returncode != 0 and not seen:
            yield Finding(root, 0, "clang-format: " + (done.stderr.strip() or "failed"))
