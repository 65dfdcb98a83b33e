"""Words that must not be in the project's files."""

import re

from .source import Finding, files, line_at, text_of

SUFFIXES = (".cc", ".h", ".py", ".md", ".build", ".yaml", ".yml", ".sh", ".service", ".socket",
            ".conf", ".txt", ".1", ".5", ".8", ".in")
TOP = ("README.md", "meson.build", "LICENSE", ".gitignore", ".clang-format")

# Each pattern has a bracket in it so that it does not find itself.
UNFINISHED = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X]|HAC[K])\b")
# Places of the machine the project was written on, and papers that are not part of it.
WORKPLACE = re.compile(r"(?<![\w.])/wor[k]/|/tmp/w[t]/|/tmp/brie[f]|(?<!\w)\.\./share[d]/"
                       r"|(?<![\w/])share[d]/(?:design|facts)\b"
                       r"|\bfacts/(?:peer[s]|threat[s]|performanc[e]|iis-smt[p])\.md")


def is_text(path):
    return path.name.endswith(SUFFIXES) or "." not in path.name


def search(root, pattern, sentence):
    paths = files(root) + [root / name for name in TOP if (root / name).exists()]
    for path in paths:
        relative = (root / path).relative_to(root)
        if not is_text(relative) and relative.name not in TOP:
            continue
        text = text_of(root, relative)
        if "\0" in text:
            continue
        for match in pattern.finditer(text):
            yield Finding(relative, line_at(text, match.start()), sentence.format(match.group(0)))


def check_unfinished(root, build):
    del build
    yield from search(root, UNFINISHED, "'{}': finish it or file an issue")


def check_workplace(root, build):
    del build
    yield from search(root, WORKPLACE, "'{}' exists only where the project was written")
