"""Modules include only modules above them, and no private header of another module.

Reads `#include` of src/ and include/mailroot/. The order is the architecture: a module may use
those named before it, less the exceptions of DENIED.
"""

import pathlib
import re

from .source import CPP, Finding, files, line_at, text_of

ORDER = ["base", "sasl", "smtp", "message", "config", "route", "queue", "reactor", "tls", "dns",
         "http", "oauth", "spool", "receive", "deliver", "server", "control", "import",
         "mailrootd", "mailrootctl", "submit", "sendmail"]
DENIED = {
    "reactor": {"smtp", "message", "config", "route", "queue"},
    "tls": {"smtp", "message", "route", "queue"},
    "dns": {"smtp", "message", "route", "queue", "tls"},
    # What speaks HTTP knows no mail.
    "http": {"sasl", "smtp", "message", "config", "route", "queue", "tls", "dns"},
    "oauth": {"smtp", "message", "route", "queue", "tls", "dns"},
    "spool": {"queue", "route", "tls", "dns", "http", "oauth"},
    "deliver": {"receive"},
    # A converter: configuration in, configuration out. Nothing of the running service.
    "import": {"message", "route", "queue", "reactor", "tls", "dns", "http", "oauth", "spool",
               "receive", "deliver", "server", "control"},
    "mailrootd": {"import"},
    "mailrootctl": {"mailrootd"},
    "submit": {"mailrootd", "mailrootctl"},
    "sendmail": {"mailrootd", "mailrootctl"},
}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def module_of(path):
    """(module, directory of its private files) or (None, None)."""
    parts = path.parts
    if parts[0] == "src" and len(parts) > 2:
        return parts[1], pathlib.Path("src", parts[1])
    if parts[:2] == ("include", "mailroot") and len(parts) > 3:
        return parts[2], None
    return None, None


def check_contract(module, name):
    parts = name.split("/")
    used = parts[1] if len(parts) > 2 else ""
    if used not in ORDER:
        return f"includes {name}: no such module; modules are {' '.join(ORDER)}"
    if used == module:
        return None
    if ORDER.index(used) > ORDER.index(module):
        return f"{module} includes {name}: {used} is below it"
    if used in DENIED.get(module, ()):
        return f"{module} includes {name}: {module} does not know {used}"
    return None


def normal(path):
    parts = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return pathlib.Path(*parts)


def check_private(root, path, home, name):
    if home is None:
        return f"a contract header includes the private header {name}"
    for base in (path.parent, home):
        target = normal(base / name)
        if (root / target).exists() and target.is_relative_to(home):
            return None
    return (f'"{name}" is no header of {home}: private headers are included by plain name, '
            'contracts as "mailroot/<module>/..."')


def check_file(root, path):
    module, home = module_of(path)
    if module is None:
        return
    text = text_of(root, path)
    if module not in ORDER:
        yield Finding(path, 1, f"module {module} is not in the direction table of layers.py")
        return
    for match in INCLUDE.finditer(text):
        name = match.group(2)
        problem = None
        if name.startswith("mailroot/"):
            problem = check_contract(module, name)
            if problem is None and not (root / "include" / name).exists():
                problem = f"there is no {name}"
        elif match.group(1) == '"':
            problem = check_private(root, path, home, name)
        if problem is not None:
            yield Finding(path, line_at(text, match.start()), problem)


def check(root, build):
    del build
    for path in files(root, CPP, ("src", "include")):
        yield from check_file(root, path)
    # What measures the server must not be made of it. bench/micro measures single modules.
    for path in files(root, CPP, ("bench",)):
        if path.parts[:2] == ("bench", "micro"):
            continue
        text = text_of(root, path)
        for match in INCLUDE.finditer(text):
            if match.group(2).startswith("mailroot/") or "src/" in match.group(2):
                yield Finding(path, line_at(text, match.start()),
                              f"bench includes {match.group(2)}: it shares no code with the server")
