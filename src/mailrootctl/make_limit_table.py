#!/usr/bin/env python3
"""Writes the table of all fixed limits: make_limit_table.py SOURCE_ROOT OUTPUT HEADER...

A limit is an `inline constexpr` of a limits.h; its value comes from the compiler, its comment from
the line. Whoever adds one need do nothing here.
"""

import pathlib
import re
import sys

LIMIT = re.compile(r"^inline constexpr [\w:]+ (k\w+)\s*(?:=|\{)[^;]*;(?:[ \t]*//[ \t]*(.*))?",
                   re.MULTILINE)


def rows_of(text):
    namespace = re.search(r"^namespace ([\w:]+) \{", text, re.MULTILINE).group(1)
    module = namespace.split("::")[1]
    for match in LIMIT.finditer(text):
        comment = (match.group(2) or "").replace("\\", "\\\\").replace('"', '\\"')
        name = match.group(1)
        yield f'      {{"{module}", "{name}", text_of({namespace}::{name}), "{comment}"}},'


def main(root, output, *headers):
    root = pathlib.Path(root)
    known = {root / header for header in headers}
    for pattern in ("include/mailroot/*/*limits.h", "src/*/*limits.h"):
        forgotten = set(root.glob(pattern)) - known
        if forgotten:
            sys.exit(f"not in limit_headers of src/mailrootctl/meson.build: {sorted(forgotten)}")
    includes, rows = [], []
    for header in sorted(headers):
        text = (root / header).read_text()
        path = pathlib.PurePath(header)
        includes.append(f'#include "{path.relative_to(path.parts[0])}"')
        rows += rows_of(text)
    pathlib.Path(output).write_text("\n".join([
        '#include "limit_table.h"', "", *includes, "",
        "namespace mailroot::ctl {", "",
        "std::vector<FixedLimit> fixed_limits() {", "  return {", *rows, "  };", "}", "",
        "}  // namespace mailroot::ctl", ""]))


main(*sys.argv[1:])
