"""Each contract header compiles alone, and says #pragma once.

A header that passed is remembered in the build directory under a hash of itself and of all project
headers it reaches, so only what changed is compiled again.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

from .source import Finding, files, text_of

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"(mailroot/[^"]+)"', re.MULTILINE)
PACKAGES = ["fmt", "spdlog", "liburing", "libunbound", "yaml-cpp"]
FLAGS = ["-std=c++2b", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-D_GLIBCXX_ASSERTIONS",
         "-DSPDLOG_FMT_EXTERNAL", "-DSPDLOG_COMPILED_LIB", "-DMAILROOT_VERSION=\"0\""]


def compiler():
    """Without a ccache in front: it does not cache -fsyntax-only."""
    words = (os.environ.get("CXX") or shutil.which("clang++-19") or "clang++").split()
    return [word for word in words if not word.endswith("ccache")]


def package_flags():
    done = subprocess.run(["pkg-config", "--cflags", *PACKAGES], capture_output=True, text=True)
    return done.stdout.split() if done.returncode == 0 else []


def digest(root, path, salt):
    """Hash of the header with everything of the project below it."""
    sum_ = hashlib.sha256(salt)
    seen, queue = set(), [path]
    while queue:
        here = queue.pop()
        if here in seen or not (root / here).exists():
            continue
        seen.add(here)
        text = text_of(root, here)
        sum_.update(str(here).encode() + b"\0" + text.encode())
        queue += sorted(pathlib.Path("include", name) for name in INCLUDE.findall(text))
    return sum_.hexdigest()


def compile_alone(root, path, command):
    name = path.relative_to("include")
    done = subprocess.run(command + ["-x", "c++", "-"], input=f'#include "{name}"\n', text=True,
                          capture_output=True, cwd=root)
    if done.returncode == 0:
        return []
    errors = [line for line in done.stderr.splitlines() if "error:" in line] or [done.stderr]
    return [Finding(path, 1, "does not compile alone: " + error) for error in errors[:3]]


def check(root, build):
    command = [*compiler(), *FLAGS, *package_flags(), "-I", str(root / "include")]
    salt = "\0".join(command[:-1]).encode()
    passed = build / "lint-headers" if build is not None else None
    if passed is not None:
        passed.mkdir(parents=True, exist_ok=True)
    todo = []
    for path in files(root, (".h",), ("include",)):
        if "#pragma once" not in text_of(root, path):
            yield Finding(path, 1, "has no #pragma once")
        mark = passed / digest(root, path, salt) if passed is not None else None
        if mark is None or not mark.exists():
            todo.append((path, mark))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(lambda item: compile_alone(root, item[0], command), todo)
        for (path, mark), findings in zip(todo, results):
            if not findings and mark is not None:
                mark.write_text(f"{path}\n")
            yield from findings
