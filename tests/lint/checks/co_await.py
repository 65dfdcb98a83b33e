"""The coroutine dialect.

- at most one co_await in a statement, at the start of its right-hand side: `co_await x;`,
  `auto v = co_await x;`, `co_return co_await x;`. Not in a condition, an argument, a macro.
- no structured binding straight from co_await
- a lambda that is a coroutine captures nothing (its closure is gone when it resumes)
- a function that returns task<> has no default arguments
- a coroutine frame is destroyed by the reactor's task only
"""

import re

from .source import CPP, Finding, closing, code_only, files, line_at, text_of

AWAIT = re.compile(r"\bco_await\b")
SUSPENDS = re.compile(r"\bco_(?:await|return|yield)\b")
# The task's own implementation.
MACHINERY = re.compile(r"^(src/reactor|include/mailroot/reactor)/")
LEADS = re.compile(r"^(?:(?:else\b|do\b|default\s*:|case\b[^;{}?]*?[^:]:(?!:))\s*)+")
PLAIN = re.compile(r"^(?:co_return|\(void\))?\s*$")
ASSIGNED = re.compile(r"^[^=;?]*[^=!<>;?]=$")
BINDING = re.compile(r"\bauto\s*(?:const\s*)?&{0,2}\s*\[[^\]]*\]\s*=$")
LAMBDA = re.compile(r"(?<![\w\])])\[(?P<captures>[^\[\]]*)\](?=\s*[({<])")
LAMBDA_BODY = re.compile(r"[^;{}()]*\{")
TASK_FUNCTION = re.compile(r"\btask<")
TASK_NAME = re.compile(r"\s+[\w:~]+\s*\(")
DEFAULT = re.compile(r"(?<![=!<>+\-*/])=(?!=)")
DESTROY = re.compile(r"[.>]destroy\(\)")


def statement_start(code, offset):
    """Offset where the statement with `offset` begins, and the character before it."""
    depth = 0
    for i in range(offset - 1, -1, -1):
        c = code[i]
        if c in ")]":
            depth += 1
        elif c in "([":
            depth -= 1
            if depth < 0:
                return i + 1, c
        elif depth == 0 and c in ";{}":
            return i + 1, c
    return 0, ""


def statement_end(code, offset):
    """Offset of the semicolon that ends the statement with `offset`."""
    depth = 0
    for i in range(offset, len(code)):
        c = code[i]
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
            if depth < 0:
                return i
        elif c == ";" and depth == 0:
            return i
    return len(code)


def judge(code, offset):
    start, before = statement_start(code, offset)
    prefix = LEADS.sub("", code[start:offset].strip())
    if before in ("(", "["):
        return "co_await inside a condition, an argument or a macro: await in a statement before"
    if before == "{" and start >= 2 and not code[start - 2].isspace():
        return "co_await inside an initializer list: await in a statement before"
    if BINDING.search(prefix):
        return "structured binding straight from co_await: name the value first"
    if not PLAIN.match(prefix) and not ASSIGNED.match(prefix):
        return "co_await is not at the start of its statement's right-hand side"
    rest = code[offset + len("co_await"):statement_end(code, offset)]
    if AWAIT.search(rest):
        return "two co_await in one statement"
    return None


def lambda_bodies(code):
    """(offset, captures, start, end of the body) of each lambda."""
    for match in LAMBDA.finditer(code):
        at = match.end()
        while at < len(code) and code[at] in "(< \n":
            if code[at].isspace():
                at += 1
                continue
            end = closing(code, at) if code[at] == "(" else code.find(">", at)
            if end < 0:
                break
            at = end + 1
        body = LAMBDA_BODY.match(code, at)
        end = closing(code, body.end() - 1) if body is not None else -1
        if end > 0:
            yield match.start(), match.group("captures"), body.end() - 1, end


def check_lambdas(path, code):
    bodies = list(lambda_bodies(code))
    for offset, captures, start, end in bodies:
        if not captures.strip():
            continue
        inner = [(s, e) for _, _, s, e in bodies if start < s and e < end]
        if any(not any(s < match.start() < e for s, e in inner)
               for match in SUSPENDS.finditer(code, start, end)):
            yield Finding(path, line_at(code, offset),
                          f"a coroutine lambda captures [{captures.strip()}]: pass parameters")


def check_defaults(path, code):
    for match in TASK_FUNCTION.finditer(code):
        at, depth = match.end(), 1
        while at < len(code) and depth > 0:
            depth += {"<": 1, ">": -1}.get(code[at], 0)
            at += 1
        name = TASK_NAME.match(code, at)
        close = closing(code, name.end() - 1) if name is not None else -1
        if close > 0 and DEFAULT.search(code, name.end(), close):
            yield Finding(path, line_at(code, match.start()),
                          "a function returning task has a default argument: overload it")


def check(root, build):
    del build
    for path in files(root, CPP, ("src", "include", "tests")):
        code = code_only(text_of(root, path))
        for match in AWAIT.finditer(code):
            if code[:match.start()].rstrip().endswith("operator"):
                continue
            problem = judge(code, match.start())
            if problem is not None:
                yield Finding(path, line_at(code, match.start()), problem)
        yield from check_lambdas(path, code)
        yield from check_defaults(path, code)
        if not MACHINERY.match(path.as_posix()):
            for match in DESTROY.finditer(code):
                yield Finding(path, line_at(code, match.start()),
                              "only the reactor's task destroys a coroutine frame")
