"""Medians, ratios and tables."""

import statistics

BASELINE = "sink alone"


def median_row(rows):
    """The median of each number; notes and marks of all."""
    first = rows[0]
    result = dict(first)
    for key, value in first.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            result[key] = statistics.median(row.get(key, value) for row in rows)
    result["runs"] = len(rows)
    result["notes"] = sorted({note for row in rows for note in row["notes"]})
    for mark in ("saturated", "invalid"):
        if any(row.get(mark) for row in rows):
            result[mark] = True
    return result


def size_text(value):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return ""


def number(value, digits=0):
    return f"{value:,.{digits}f}"


def load_cells(row):
    ms = lambda key: number(row[key] / 1000, 2) if key in row else "-"
    return [number(row["messages_per_s"]), number(row["cpu_us"], 1),
            ms("transaction_p50_us"), ms("transaction_p99_us"), ms("accept_p50_us"),
            ms("accept_p99_us"), ms("through_p50_us"), ms("through_p99_us"),
            size_text(row["peak_bytes"]) if "peak_bytes" in row else "-",
            f"{row['source_share'] * 100:.0f}",
            f"{row['sink_share'] * 100:.0f}" if "sink_share" in row else "-"]


LOAD_HEAD = ["server", "msg/s", "CPU us", "tx p50 ms", "p99", "250 p50 ms", "p99", "thru p50 ms",
             "p99", "peak mem", "source %", "sink %"]
IDLE_HEAD = ["server", "open", "in s", "each", "kernel each*", "processes"]


def print_table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        cells = [str(row[0]).ljust(widths[0])]
        cells += [str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  " + "  ".join(cells))


def ratios(case, rows):
    """Each server against Postfix, as sentences; and whether source and sink were fast enough."""
    lines = []
    postfix = rows.get("postfix")
    for name, row in rows.items():
        if name in ("postfix", BASELINE) or postfix is None:
            continue
        if case.kind == "idle":
            ratio = postfix["bytes_each"] / row["bytes_each"] if row["bytes_each"] > 0 else 0
            lines.append(f"{name}: {ratio:.1f} times less memory a connection than Postfix")
            continue
        if not row["messages"]:
            continue
        rate = row["messages_per_s"] / max(postfix["messages_per_s"], 1e-9)
        cpu = postfix["cpu_us"] / max(row["cpu_us"], 1e-9)
        lines.append(f"{name}: {rate:.2f} times Postfix's messages per second, "
                     f"1/{cpu:.1f} of its CPU per message")
    alone = rows.get(BASELINE)
    servers = {name: row for name, row in rows.items() if name != BASELINE}
    if alone is not None and servers and case.kind != "idle":
        fastest = max(row["messages_per_s"] for row in servers.values())
        margin = alone["messages_per_s"] / max(fastest, 1e-9)
        verdict = "" if margin >= 1.5 else "  ! the bench itself is too near the limit"
        lines.append(f"source and sink alone: {margin:.1f} times the fastest server{verdict}")
    return lines


def disk_lines(case, rows, disk):
    """Large messages against the raw sequential write rate of the same run."""
    if disk is None or case.kind != "accept" or case.size != "10M":
        return []
    raw = disk["new_file_bytes_per_s"]
    return [f"{name}: {row['bytes_per_s'] / 1e6:.0f} MB/s, {row['bytes_per_s'] / raw * 100:.0f} % "
            f"of the raw O_DIRECT write rate ({raw / 1e6:.0f} MB/s)"
            for name, row in rows.items() if name != BASELINE]


def print_case(case, rows, disk):
    print(f"\n{case.name}")
    if case.kind == "idle":
        cells = [[name, number(row["opened"]), number(row["seconds"], 1),
                  size_text(row["bytes_each"]), size_text(row["kernel_bytes_each"]),
                  number(row["processes"])] for name, row in rows.items()]
        print_table(IDLE_HEAD, cells)
        print("  * the machine's kernel memory, both ends of each connection")
    else:
        print_table(LOAD_HEAD, [[name, *load_cells(row)] for name, row in rows.items()])
    for name, row in rows.items():
        if row.get("saturated"):
            print(f"  REFUSED {name}: {', '.join(row['notes'])}: the bench was the limit")
        elif row["notes"]:
            print(f"  ! {name}: {', '.join(row['notes'])}")
    for line in ratios(case, rows) + disk_lines(case, rows, disk):
        print("  " + line)
