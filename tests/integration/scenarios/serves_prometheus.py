"""Prometheus scrapes the daemon; clients that speak no HTTP, or never read, harm nobody."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from waiting import free_port, until
from world import Skipped

PACKAGING = pathlib.Path(__file__).resolve().parents[3] / "packaging" / "prometheus"


def status_of(port, request):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request)
        return client.makefile("rb").readline().decode().strip()


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as reply:
        return reply.read().decode()


def check_package_files(text):
    known = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    for name in ("mailroot.rules.yaml", "grafana-dashboard.json"):
        used = re.findall(r"\b(?:mailroot|process)_[a-z_]+", (PACKAGING / name).read_text())
        assert used, name
        for metric in used:
            assert metric.removesuffix("_bucket") in known, f"{name}: {metric} is not declared"
    rules = subprocess.run(["promtool", "check", "rules", PACKAGING / "mailroot.rules.yaml"],
                           capture_output=True, text=True, check=False)
    assert rules.returncode == 0, rules.stdout + rules.stderr
    lint = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True,
                          text=True, check=False)
    assert lint.returncode == 0, lint.stdout + lint.stderr


def query_prometheus(world, port):
    own = free_port()
    config = world.directory / "prometheus.yml"
    config.write_text("global: { scrape_interval: 1s }\nscrape_configs:\n  - job_name: mailroot\n"
                      f"    static_configs: [{{ targets: ['127.0.0.1:{port}'] }}]\n")
    process = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{own}",
         f"--storage.tsdb.path={world.directory / 'tsdb'}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    world.processes.append(process)
    question = urllib.parse.quote('mailroot_messages_accepted_total{server="default"}')

    def answer():
        url = f"http://127.0.0.1:{own}/api/v1/query?query={question}"
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                found = json.load(reply)["data"]["result"]
        except (urllib.error.URLError, ConnectionError):
            return False
        return bool(found) and found[0]["value"][1] == "1"

    until(answer, "Prometheus knows of one message")
    process.terminate()
    process.wait()


def bother(world, port):
    assert " 404 " in status_of(port, b"GET / HTTP/1.1\r\n\r\n")
    assert " 405 " in status_of(port, b"POST /metrics HTTP/1.0\r\n\r\n")
    assert " 400 " in status_of(port, os.urandom(64).replace(b"\n", b"x") + b"\r\n\r\n")
    assert " 431 " in status_of(port, b"GET /metrics HTTP/1.1\r\nx: " + b"x" * 8300)
    crowd = []
    for _ in range(1000):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(("127.0.0.1", port))
        crowd.append(client)
    world.send("carol@example.org")  # mail goes on meanwhile
    assert world.server()["state"] == "started"
    for client in crowd:
        client.close()
    until(lambda: can_scrape(port), "the port serves again")


def can_scrape(port):
    try:
        return "mailroot_build_info" in scrape(port)
    except (OSError, urllib.error.URLError):
        return False


def scenario_prometheus_scrapes_and_hostile_clients_harm_nobody(world):
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        raise Skipped("prometheus is not installed")
    port = free_port()
    sink = world.sink()
    service = (world.directory / "mailroot.yaml")
    service.write_text(service.read_text().replace('listen: "off"', f"listen: 127.0.0.1:{port}"))
    world.write_server(smart_host=sink.smart_host)
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", port))
    holder.listen()
    world.start()  # a taken port only warns
    world.wait_for_event("metrics", level="warning")
    holder.close()
    until(lambda: can_scrape(port), "the port is taken when it is free")
    world.send("bob@example.org")
    world.wait_for_empty_queue()
    time.sleep(0.3)  # older texts are not given any more
    text = scrape(port)
    assert 'mailroot_messages_accepted_total{server="default"} 1\n' in text, text
    assert 'mailroot_acceptance_duration_seconds_count{server="default"} 1\n' in text, text
    assert 'mailroot_delivery_age_seconds_count{server="default"} 1\n' in text, text
    assert "# TYPE mailroot_queue_messages gauge" in world.ctl("metrics").stdout
    check_package_files(text)
    query_prometheus(world, port)
    bother(world, port)
