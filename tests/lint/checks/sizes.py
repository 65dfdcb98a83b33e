"""Files of at most 500 lines, functions of at most 70, lines of at most 100 columns."""

import re

from .source import CPP, Finding, closing, code_only, files, line_at, text_of

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100
CONTROL = re.compile(r"^(?:else\s+)?(?:if|for|while|switch|catch)\b")
SCOPE = re.compile(r"\b(?:namespace|class|struct|union|enum|extern)\b")
DIRECTIVE = re.compile(r"^[ \t]*#[^\n]*$", re.MULTILINE)
NAME = re.compile(r"([\w:~]+|operator\S+)\s*\(")
# `: member_` or `, member_` just before a brace: an initializer, not the body.
INITIALIZER = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:).*[\w>]$", re.DOTALL)


def check_files(root, build):
    del build
    for path in files(root, CPP + (".py",), ("src", "include", "tests", "bench")):
        lines = text_of(root, path).splitlines()
        if len(lines) > FILE_LINES_MAX:
            yield Finding(path, FILE_LINES_MAX,
                          f"{len(lines)} lines: split it at {FILE_LINES_MAX} at the latest")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX:
                yield Finding(path, number, f"{len(line)} columns: at most {COLUMNS_MAX}")


def body_of(code, head_start, brace):
    """Offset of the brace that opens the body whose head begins at `head_start`: braces of member
    initializers come before it."""
    while brace >= 0 and INITIALIZER.search(code, head_start, brace) and \
            not code[brace - 1].isspace():
        end = closing(code, brace)
        brace = code.find("{", end) if end > 0 else -1
    return brace


def functions(code):
    """(name, offset of the head, offset of the closing brace) of each function body. A heuristic:
    a brace whose head holds a parameter list and is neither control flow nor a type or namespace.
    Bodies are not searched for further functions, so a lambda counts with its function."""
    code = DIRECTIVE.sub(lambda match: " " * len(match.group(0)), code)
    at = 0
    while (brace := code.find("{", at)) >= 0:
        head_start = max(at, *(code.rfind(c, at, brace) + 1 for c in ";{}"))
        head = code[head_start:brace]
        words = head.strip()
        if "(" not in words or CONTROL.match(words) or words.endswith("=") or \
                SCOPE.search(words.split("(")[0]):
            at = brace + 1
            continue
        brace = body_of(code, head_start, brace)
        end = closing(code, brace) if brace >= 0 else -1
        if end < 0:
            return
        name = NAME.search(words)
        yield (name.group(1) if name else "?"), head_start + len(head) - len(head.lstrip()), end
        at = end + 1


def check_functions(root, build):
    del build
    for path in files(root, CPP, ("src", "include", "tests", "bench")):
        code = code_only(text_of(root, path))
        for name, start, end in functions(code):
            lines = line_at(code, end) - line_at(code, start) + 1
            if lines > FUNCTION_LINES_MAX:
                yield Finding(path, line_at(code, start),
                              f"{name} has {lines} lines: at most {FUNCTION_LINES_MAX}")
