"""mailrootctl limits: every limit, its use, and where it is changed."""


def scenario_limits_of_all_kinds(world):
    world.write_server(text="connections: { limit: 7 }\n")
    cold = world.ctl_json("limits")
    assert all(row.get("use") is None or row["name"] == "spool.free_min" for row in cold), cold
    world.start()
    with world.client() as client:
        client.ehlo()
        rows = world.ctl_json("limits")
        [limit] = [row for row in rows if row["name"] == "connections.limit"]
        assert limit["value"] == "7" and limit["use"] == 1, limit
        assert "default.yaml:" in limit["change"], limit
    [files] = [row for row in rows if row["name"] == "open files"]
    assert int(files["value"]) > files["use"] > 5 and "LimitNOFILE" in files["change"], files
    [outbound] = [row for row in rows if row["name"] == "delivery.outbound.connections"]
    assert outbound["use"] == 0 and "server set default" in outbound["change"], outbound
    fixed = [row for row in rows if row["change"] is None]
    assert len(fixed) > 200 and all(row["value"] for row in fixed)
    [batch] = [row for row in fixed if row["name"] == "kRecipientsPerTransaction"]
    assert batch["module"] == "deliver" and batch["value"] == "100", batch
    assert len(world.ctl_json("limits", "kRecipientsPerTransaction")) == 1
    text = world.ctl("limits", "--server", "default").stdout
    assert "open files" not in text and "default connections.limit" in text, text
    assert world.ctl("limits", "no such thing", check=False).returncode == 1
    assert world.ctl("limits", "--server", "nobody", check=False).returncode == 1
