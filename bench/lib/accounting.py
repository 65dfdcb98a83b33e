"""CPU and memory of a server: the process it was started as and everything below it.

CPU is user plus system time of all threads, with that of children already waited for. A child
that died and was adopted by nobody of the tree would be missed; Postfix's master waits for its
children, and Mailroot is one process.
"""

import os
import threading

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def read(path):
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def stat_fields(pid):
    """Fields of /proc/PID/stat from the state on; the name may hold spaces and brackets."""
    text = read(f"/proc/{pid}/stat")
    return text[text.rfind(")") + 2:].split() if text else []


def tree(root):
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_fields(name)
            if fields:
                children.setdefault(int(fields[1]), []).append(int(name))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue.extend(children.get(pid, []))
    return found


def process_cpu_s(pid):
    fields = stat_fields(pid)
    if not fields:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / TICKS
    reaped = (int(fields[13]) + int(fields[14])) / TICKS
    # schedstat counts nanoseconds but forgets threads that ended; ticks remember them but are
    # coarse. The larger of the two is nearer.
    exact = 0.0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            words = read(f"/proc/{pid}/task/{task}/schedstat").split()
            exact += int(words[0]) / 1e9 if words else 0.0
    except OSError:
        pass
    return max(own, exact) + reaped


def tree_cpu_s(root):
    return sum(process_cpu_s(pid) for pid in tree(root))


def process_pss(pid):
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def tree_memory(root):
    """(proportional set size in bytes, processes)."""
    pids = tree(root)
    return sum(process_pss(pid) for pid in pids), len(pids)


def peak_rss(pid):
    """Peak resident size of one process in bytes, as the kernel kept it."""
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def kernel_memory():
    """Bytes of kernel memory of the whole machine that connections and processes use: slab,
    kernel stacks, page tables, TCP buffers."""
    total = 0
    for line in read("/proc/meminfo").splitlines():
        if line.split(":")[0] in ("Slab", "KernelStack", "PageTables"):
            total += int(line.split()[1]) * 1024
    for line in read("/proc/net/sockstat").splitlines():
        words = line.split()
        if words and words[0] == "TCP:":
            total += int(words[words.index("mem") + 1]) * PAGE
    return total


class Peak:
    """Samples the tree's memory in the background; every `interval_s`, or less often when a
    sample is dear, so that sampling takes 2 % of a core at most."""

    def __init__(self, root, interval_s=0.25):
        self.root, self.interval_s = root, interval_s
        self.bytes, self.processes = 0, 0
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def sample(self):
        before = os.times()
        size, processes = tree_memory(self.root)
        after = os.times()
        if size > self.bytes:
            self.bytes = size
        self.processes = max(self.processes, processes)
        return after.user + after.system - before.user - before.system

    def run(self):
        while True:
            cost_s = self.sample()
            if self.end.wait(max(self.interval_s, cost_s * 50)):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end.set()
        self.thread.join()
        self.sample()
