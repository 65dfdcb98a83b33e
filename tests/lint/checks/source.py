"""Finding the project's files, and reading C++ well enough for text checks."""

import dataclasses
import os
import pathlib
import re

# Directories that hold the project's own files; anything else in the tree is not looked at.
ROOTS = ("src", "include", "tests", "bench", "conf", "packaging", "systemd", "docs", "man", ".ci")
CPP = (".cc", ".h")
SKIPPED = {"__pycache__", ".git", ".cache"}


@dataclasses.dataclass(frozen=True)
class Finding:
    path: pathlib.Path
    line: int
    text: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.text}"


def files(root, suffixes=None, below=ROOTS):
    """Paths relative to `root`, sorted; bad samples of the lint itself are left out."""
    found = []
    for top in below:
        for directory, names, entries in os.walk(root / top):
            here = pathlib.Path(directory).relative_to(root)
            names[:] = [name for name in names
                        if name not in SKIPPED and not name.startswith("build")
                        and here / name != pathlib.Path("tests/lint/samples")]
            found += [here / name for name in entries
                      if suffixes is None or name.endswith(suffixes)]
    return sorted(found)


def text_of(root, path):
    return (root / path).read_text(encoding="utf-8", errors="replace")


TOKEN = re.compile(
    r'//[^\n]*(?:\\\n[^\n]*)*'
    r'|/\*.*?\*/'
    r'|(?:u8|u|U|L)?R"(?P<mark>[^(\s\\)]{0,16})\(.*?\)(?P=mark)"'
    r'|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9a-zA-Z_])'(?:\\.|[^'\\\n])+'",
    re.DOTALL)


def blank(match):
    """Spaces in place of what was there, so that lines and columns stay; quotes are kept."""
    text = match.group(0)
    emptied = re.sub(r"[^\n]", " ", text)
    if text[-1] in "\"'" and not text.startswith(("//", "/*")):
        return text[-1] + emptied[1:-1] + text[-1]
    return emptied


def code_only(text):
    """C++ with the contents of comments, strings and characters blanked."""
    return TOKEN.sub(blank, text)


def line_at(text, offset):
    return text.count("\n", 0, offset) + 1


def closing(text, start):
    """Offset of the bracket that closes the one at `start`, or -1. Works on code_only text."""
    pairs = {"(": ")", "[": "]", "{": "}"}
    stack = []
    for i in range(start, len(text)):
        c = text[i]
        if c in pairs:
            stack.append(pairs[c])
        elif stack and c == stack[-1]:
            stack.pop()
            if not stack:
                return i
    return -1
