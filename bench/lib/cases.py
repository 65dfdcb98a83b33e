"""What is measured: one function a kind of case, each answering one row (a dict)."""

import dataclasses
import time

from . import accounting, tools

SATURATED = 0.9  # of one core per thread
# Postfix starts a process for each connection, 1.2 MiB each and some 10 ms of fork: more of them
# measure the machine, and could take all its memory.
POSTFIX_IDLE_MAX = 2000


@dataclasses.dataclass(frozen=True)
class Case:
    kind: str              # accept, relay, idle
    name: str
    connections: int
    messages: int = 0      # for a server of Postfix's speed
    size: str = "4K"
    fast: int = 1          # faster servers get this many times the messages
    per_connection: int = 0


FULL = [
    Case("accept", "accept 4K x 1", 1, 4000, fast=4),
    Case("accept", "accept 4K x 20", 20, 10000, fast=10),
    Case("accept", "accept 4K x 200", 200, 10000, fast=10),
    Case("accept", "accept 100K x 20", 20, 4000, "100K", fast=5),
    Case("accept", "accept 10M x 20", 20, 120, "10M", fast=3),
    Case("accept", "accept 10M x 200", 200, 400, "10M"),
    Case("relay", "relay 4K x 20", 20, 10000, fast=6),
    Case("relay", "relay 4K x 20, 10 a connection", 20, 5000, fast=6, per_connection=10),
    Case("idle", "idle 10000", 10000),
]

QUICK = [
    Case("accept", "accept 4K x 1", 1, 1000, fast=4),
    Case("accept", "accept 4K x 20", 20, 8000, fast=8),
    Case("accept", "accept 4K x 200", 200, 4000, fast=8),
    Case("accept", "accept 100K x 20", 20, 1000, "100K", fast=4),
    Case("accept", "accept 10M x 20", 20, 60, "10M", fast=2),
    Case("relay", "relay 4K x 20", 20, 3000, fast=8),
    Case("idle", "idle 1000", 1000),
]


def messages_for(case, server):
    return case.messages * (1 if server is not None and server.name == "postfix" else case.fast)


def warm_up(programs, port, case):
    """Lets a server start its processes and fill its caches before it is measured."""
    programs.source(port, connections=case.connections, time_limit=60,
                    messages=max(case.connections, 5 * min(case.connections, 20)),
                    size="4K", run="warm-up.bench.example")


def load_options(case, server, time_limit):
    options = {"connections": case.connections, "messages": messages_for(case, server),
               "size": case.size, "time_limit": time_limit}
    if case.per_connection:
        options["per_connection"] = case.per_connection
    return options


def load_row(case, source, seconds, messages):
    row = {
        "case": case.name,
        "messages": messages,
        "seconds": seconds,
        "messages_per_s": messages / seconds if seconds > 0 else 0.0,
        "bytes_per_s": messages * source["size_bytes"] / seconds if seconds > 0 else 0.0,
        "accept_p50_us": source["accept_us"]["p50"],
        "accept_p99_us": source["accept_us"]["p99"],
        "transaction_p50_us": source["transaction_us"]["p50"],
        "transaction_p99_us": source["transaction_us"]["p99"],
        "source_share": source["cpu_share"],
        "source_cpu_us": source["cpu_us_per_message"],
        "notes": [],
    }
    trouble = source["refused"] + source["errors"] + source["unanswered"]
    if trouble or source["recipients_refused"]:
        row["notes"].append(f"{trouble} not accepted: {'; '.join(source['samples'])}")
        row["invalid"] = True
    if source["cpu_share"] > SATURATED:
        row["notes"].append("source saturated")
        row["saturated"] = True
    return row


def add_server(row, server, cpu_s, peak):
    row["cpu_us"] = cpu_s * 1e6 / row["messages"] if row["messages"] else 0.0
    row["peak_bytes"] = peak.bytes
    row["peak_rss_bytes"] = accounting.peak_rss(server.pid)
    row["processes"] = peak.processes


def accept(programs, workplace, server, case, time_limit):
    with tools.refusing_port() as next_hop:
        directory = workplace.new(server.name)
        port = server.start(directory, next_hop, case.connections, deliver=False)
        warm_up(programs, port, case)
        with accounting.Peak(server.pid) as peak:
            before_s = accounting.tree_cpu_s(server.pid)
            source = programs.source(port, **load_options(case, server, time_limit))
            cpu_s = accounting.tree_cpu_s(server.pid) - before_s
        row = load_row(case, source, source["seconds"], source["accepted"])
        add_server(row, server, cpu_s, peak)
        return row


def relay(programs, workplace, server, case, time_limit):
    messages = messages_for(case, server)
    warm = tools.Sink(programs)
    try:
        port = server.start(workplace.new(server.name), warm.port, case.connections, deliver=True)
        warm_up(programs, port, case)
        time.sleep(1)
    finally:
        warm.stop()
    # The same port, so that the server's next hop stays.
    sink = tools.Sink(programs, "--expect", str(messages), "--latency", port=warm.port)
    try:
        with accounting.Peak(server.pid) as peak:
            before_s = accounting.tree_cpu_s(server.pid)
            source = programs.source(port, **load_options(case, server, time_limit))
            received = sink.wait(time_limit)
            cpu_s = accounting.tree_cpu_s(server.pid) - before_s
    finally:
        sink.stop()
    row = load_row(case, source, received["last_s"] - source["started_s"], received["messages"])
    row["through_p50_us"] = received["latency_us"]["p50"]
    row["through_p99_us"] = received["latency_us"]["p99"]
    row["sink_share"] = received["cpu_s"] / max(row["seconds"], 1e-9)
    if row["sink_share"] > SATURATED:
        row["notes"].append("sink saturated")
        row["saturated"] = True
    if received["messages"] < messages or received["damaged"]:
        row["notes"].append(f"{received['messages']} of {messages} arrived, "
                            f"{received['damaged']} damaged")
        row["invalid"] = True
    add_server(row, server, cpu_s, peak)
    return row


def idle(programs, workplace, server, case, time_limit):
    wanted = case.connections
    if server.name == "postfix":
        wanted = min(wanted, POSTFIX_IDLE_MAX)
    with tools.refusing_port() as next_hop:
        directory = workplace.new(server.name)
        port = server.start(directory, next_hop, wanted, deliver=False)
        programs.source(port, connections=1, messages=20, run="warm-up.bench.example")
        before, _ = accounting.tree_memory(server.pid)
        kernel_before = accounting.kernel_memory()
        started = time.monotonic()
        source = programs.start_source(port, connections=wanted, idle=True, hold=3600,
                                       time_limit=time_limit)
        # The source says "holding N" when all are open, or when no more can be opened.
        line = source.stderr.readline()
        seconds = time.monotonic() - started
        after, processes = accounting.tree_memory(server.pid)
        kernel_after = accounting.kernel_memory()
        source.terminate()
        out, error = source.communicate()
        result = programs.parse("source", out, error)
    opened = int(line.split()[1]) if line.startswith("holding ") else result["opened"]
    row = {"case": case.name, "opened": opened, "seconds": seconds, "processes": processes,
           "bytes_each": (after - before) / max(opened, 1),
           "kernel_bytes_each": (kernel_after - kernel_before) / max(opened, 1),
           "peak_bytes": after, "source_share": result["cpu_share"], "notes": []}
    if wanted < case.connections:
        row["notes"].append(f"asked for {wanted} only: a process each")
    if opened < wanted:
        row["notes"].append(f"{opened} of {wanted} opened")
        row["invalid"] = server.name != "postfix"
    return row


def baseline(programs, case, time_limit):
    """The same load straight into the sink: what source and sink can do at most."""
    sink = tools.Sink(programs)
    try:
        source = programs.source(sink.port, **load_options(case, None, time_limit))
        sink.process.terminate()
        received = sink.result()
    finally:
        sink.stop()
    row = load_row(case, source, source["seconds"], source["accepted"])
    # It is meant to run at the limit.
    row["notes"] = [note for note in row["notes"] if note != "source saturated"]
    row.pop("saturated", None)
    row["cpu_us"] = received["cpu_us_per_message"]
    row["sink_share"] = received["cpu_s"] / max(row["seconds"], 1e-9)
    return row


KINDS = {"accept": accept, "relay": relay, "idle": idle}
