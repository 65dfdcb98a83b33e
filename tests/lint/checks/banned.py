"""Time, randomness, network, files and threads come from the reactor and from nowhere else.

That is what lets the simulator replay a run. The modules that stand outside the simulated world
may call the system; every other exception is named here with its reason.
"""

import re

from .source import CPP, Finding, code_only, files, line_at, text_of

OUTSIDE = ("src/reactor/", "include/mailroot/reactor/", "src/control/", "src/mailrootd/",
           "src/mailrootctl/", "src/submit/main.cc", "src/sendmail/main.cc")

CLOCK = "asks for the time: take an Instant from the reactor"
CHANCE = "asks for randomness: take it from the reactor"
NETWORK = "calls the network: submit an operation to the reactor"
FILE = "calls the file system: submit an operation to the reactor"
THREAD = "starts or blocks a thread: shards belong to the server module"


def calls(names):
    """Calls of C functions: not members, not other namespaces' functions."""
    return rf"(?<![\w.:>~&*])(?:(?:std)?::)?(?:{'|'.join(names.split())})\s*\("


def global_calls(names):
    """Words that are fair names for members and functions: only ::name( is surely the system's."""
    return rf"(?<![\w>])::(?:{'|'.join(names.split())})\s*\("


RULES = [
    ("clock", CLOCK, r"\b(?:system|steady|high_resolution|utc|file)_clock\b|"
     + calls("time gettimeofday clock_gettime localtime localtime_r gmtime mktime")),
    ("chance", CHANCE, r"\brandom_device\b|\bmt19937(?:_64)?\b|"
     + calls("rand srand drand48 getrandom getentropy arc4random")),
    ("network", NETWORK, calls("socket socketpair getaddrinfo gethostbyname epoll_create1 poll "
                               "recvmsg sendmsg accept4")
     + "|" + global_calls("bind listen accept connect send recv shutdown select")),
    ("file", FILE, calls("fopen openat mkdir mkdirat unlinkat renameat renameat2 fsync "
                         "fdatasync opendir readdir ftruncate fallocate pwrite pread pwritev "
                         "preadv statx fstat lstat mmap")
     + "|" + global_calls("open creat close read write rename stat remove unlink")
     + r"|\bstd::(?:basic_)?[io]?fstream\b|\bstd::filesystem\b"),
    ("thread", THREAD, r"\bstd::(?:jthread|thread|async|mutex|condition_variable)\b|"
     r"\bthis_thread::(?:sleep_for|sleep_until)\b|"
     + calls("sleep usleep nanosleep pthread_create")),
]
COMPILED = [(rule, reason, re.compile(pattern)) for rule, reason, pattern in RULES]
# `time_t time(` and the like: a declaration of something of ours with that name.
DECLARED = re.compile(r"[\w>&*]\s+$")
STATEMENT = re.compile(r"\b(?:return|co_return|co_await|else|do|case)\s+$")

# (path prefix, rule, reason)
ALLOWED = [
    ("src/config/", "file", "the loader reads the configuration before there is a shard"),
    ("src/config/", "network", "reads the machine's addresses to check bindings"),
    ("src/base/log", "thread", "hands records to the control thread's sink"),
    ("src/http/", "thread", "libcurl runs beside the shards, on a thread of its own"),
    ("include/mailroot/http/handover.h", "thread", "between that thread and a shard"),
    ("src/oauth/token_source.cc", "thread", "one token for all shards"),
    ("src/oauth/token_source.cc", "clock", "of no reactor: it serves all; tests give their own"),
    ("src/server/sockets.cc", "file", "knows its own sockets by inode, as those tables do"),
    ("src/server/address_watch.cc", "network", "the kernel's notices of addresses"),
    ("src/server/address_watch.cc", "file", "closes its own socket"),
    ("src/server/dovecot.cc", "network", "makes the Unix socket that the reactor then serves"),
    ("src/server/dovecot.cc", "file", "closes it when it could not be connected"),
    ("src/server/", "thread", "owns the shards' threads"),
    ("include/mailroot/server/", "thread", "owns the shards' threads"),
]


def allowed(path, rule):
    name = path.as_posix()
    return name.startswith(OUTSIDE) or any(name.startswith(prefix) and rule == of
                                           for prefix, of, _ in ALLOWED)


def is_declaration(code, start):
    before = code[max(0, start - 80):start]
    return bool(DECLARED.search(before)) and not STATEMENT.search(before)


def check(root, build):
    del build
    for path in files(root, CPP, ("src", "include")):
        code = code_only(text_of(root, path))
        for rule, reason, pattern in COMPILED:
            if allowed(path, rule):
                continue
            for match in pattern.finditer(code):
                if not is_declaration(code, match.start()):
                    yield Finding(path, line_at(code, match.start()),
                                  f"'{match.group(0).strip()}' {reason}")
