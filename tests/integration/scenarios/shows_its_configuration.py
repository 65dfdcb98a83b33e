"""mailrootctl config show and diff: what is in force, where it was set, what a reload would do."""

import json
import socket

from waiting import free_port


def diff(world, code):
    done = world.ctl("--json", "config", "diff", check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout if code == 2 else json.loads(done.stdout)


def text_of_diff(world):
    return world.ctl("config", "diff", check=False).stdout


def scenario_what_is_set_and_where(world):
    world.write_server(text="connections: { limit: 7 }\n")
    [service, server] = world.ctl_json("config", "show")
    assert service["server"] is None and service["file"].endswith("mailroot.yaml")
    keys = {key["key"]: key for key in service["keys"]}
    assert keys["service.shards"]["value"] == "2" and keys["service.shards"]["line"] == 3, keys
    assert server["server"] == "default"
    keys = {key["key"]: key for key in server["keys"]}
    assert keys["connections.limit"]["value"] == "7" and "line" in keys["connections.limit"]
    assert "connections.timeout" not in keys
    [all_keys] = world.ctl_json("config", "show", "--server", "default", "--defaults")
    timeout = [key for key in all_keys["keys"] if key["key"] == "connections.timeout"]
    assert timeout[0]["is_default"] and "line" not in timeout[0], timeout
    text = world.ctl("config", "show", "--defaults").stdout
    assert "default.yaml:" in text and " default\n" in text, text
    assert "no virtual server" in world.ctl("config", "show", "--server", "x", check=False).stderr
    world.server_file().write_text("nonsense: [\n")
    assert world.ctl("config", "show", check=False).returncode == 1
    assert world.ctl("config", check=False).returncode != 0


def scenario_what_a_reload_would_do(world):
    world.write_server()
    world.write_server("second", port=free_port())
    diff(world, 2)
    world.start()
    same = diff(world, 0)
    assert not same["problems"] and not same["service"]
    assert {one["action"] for one in same["servers"]} == {"keep"}
    assert text_of_diff(world) == "nothing differs; a reload would change nothing\n"
    # One is retuned, one goes, one comes, the service is changed in two ways.
    world.write_server(text="connections: { limit: 7 }\n")
    world.server_file("second").unlink()
    third = free_port()
    world.write_server("third", port=third)
    path = world.directory / "mailroot.yaml"
    path.write_text(path.read_text().replace("shards: 2", "shards: 1")
                    .replace("format: json", "format: json, level: debug"))
    seen = diff(world, 3)
    changes = {one["id"]: one for one in seen["servers"]}
    assert changes["default"]["action"] == "retune", changes
    assert changes["default"]["changes"] == [{"key": "connections.limit", "before": "1000",
                                              "after": "7", "change": "live"}], changes
    assert changes["second"]["action"] == "stop" and changes["second"]["closes"], changes
    assert changes["third"]["action"] == "start" and changes["third"]["is_new"], changes
    assert changes["third"]["opens"] == [f"{world.address}:{third}"], changes
    service = {one["key"]: one for one in seen["service"]}
    assert service["service.shards"]["change"] == "restart", service
    assert service["log.level"]["after"] == "debug", service
    text = text_of_diff(world)
    assert "connections.limit: 1000 -> 7" in text, text
    assert "virtual server third: start, it is new" in text, text
    assert len(world.ctl_json("servers")) == 2, "nothing was done"
    # What is said is what happens.
    world.reload()
    assert sorted(server["id"] for server in world.ctl_json("servers")) == ["default", "third"]
    left = diff(world, 3)
    assert [one["key"] for one in left["service"]] == ["service.shards"], left
    # A taken port, then a wrong file.
    other = free_port()
    with socket.socket() as taken:
        taken.bind((world.address, other))
        taken.listen()
        world.write_server("fourth", port=other)
        blocked = {one["id"]: one for one in diff(world, 3)["servers"]}["fourth"]
        assert blocked["action"] == "cannot start" and blocked["reason"], blocked
    world.server_file("fourth").write_text("connections: { limt: 3 }\n")
    refused = diff(world, 1)
    assert any("limt" in problem for problem in refused["problems"]), refused
    assert "would be refused" in text_of_diff(world)
