"""Pickup's permission is the permission to send: other users, groups, umasks. The service runs as a
user of its own, beside users who write files; /etc/group is one of the scenario's own."""

import os
import stat
import subprocess

from waiting import until
from world import Skipped

SERVICE, MEMBER, OTHER_MEMBER, STRANGER = 60001, 60002, 60003, 60004
PICKUP_GROUP = 60010
LETTER = "X-Sender: ann@local.example\nX-Receiver: bob@example.org\nSubject: {subject}\n\nby file\n"


def wrapper(world, groups_of_service):
    """Runs the service as its user, in a mount namespace with the group file."""
    groups = world.directory / "group"
    groups.write_text(f"root:x:0:\nmailroot-pickup:x:{PICKUP_GROUP}:\n")
    script = 'mount --bind "$0" /etc/group && exec setpriv "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, groups,
            f"--reuid={SERVICE}", f"--regid={SERVICE}", f"--groups={groups_of_service}", "--"]


def start(world, groups_of_service=PICKUP_GROUP):
    if os.geteuid() != 0:
        raise Skipped("needs root, to be several users")
    sink = world.sink()
    world.write_server(smart_host=sink.smart_host)
    os.chmod(world.directory, 0o711)
    os.chown(world.directory, SERVICE, SERVICE)
    world.start(wrapper=wrapper(world, groups_of_service))
    return sink, world.home() / "Pickup"


def run_as(user, script, *arguments, groups=PICKUP_GROUP):
    return subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}", f"--groups={groups}",
                           "--", "sh", "-c", script, "sh", *arguments],
                          capture_output=True, text=True, timeout=30)


def write(user, path, subject, umask="027", groups=PICKUP_GROUP):
    return run_as(user, f'umask {umask}; printf "%s" "$1" > "$2"', LETTER.format(subject=subject),
                  path, groups=groups)


def scenario_members_of_the_group_may_send_and_nobody_else(world):
    sink, pickup = start(world)
    for part in (pickup, pickup / "tmp", pickup / "new"):
        assert stat.S_IMODE(part.stat().st_mode) == 0o3770, part
        assert part.stat().st_gid == PICKUP_GROUP and part.stat().st_uid == SERVICE, part
    done = write(MEMBER, pickup / "in-place.eml", "in place")
    assert done.returncode == 0, done.stderr
    done = run_as(MEMBER, 'umask 007; printf "%s" "$1" > "$2/tmp/x" && mv "$2/tmp/x" "$2/new/x"',
                  LETTER.format(subject="renamed"), pickup)
    assert done.returncode == 0, done.stderr
    assert sorted(m.parsed()["Subject"] for m in sink.wait_for(2)) == ["in place", "renamed"]

    done = write(STRANGER, pickup / "no.eml", "no", groups=STRANGER)
    assert done.returncode != 0 and "ermission denied" in done.stderr, done
    for secret in ("Pickup/cur", "Queue", "Badmail", "Journal"):
        assert run_as(MEMBER, 'ls "$1"', world.home() / secret).returncode != 0, secret
    assert run_as(STRANGER, 'ls "$1"', world.home(), groups=STRANGER).returncode != 0
    assert sink.count() == 2


def scenario_members_cannot_touch_each_others_files(world):
    _, pickup = start(world)
    world.write_server(text="pickup: { enabled: false }\n")
    world.reload()
    assert write(MEMBER, pickup / "mine.eml", "mine").returncode == 0
    for attempt in ('rm -f "$1/mine.eml"', 'mv "$1/mine.eml" "$1/new/yours.eml"',
                    'echo more >> "$1/mine.eml"'):
        assert run_as(OTHER_MEMBER, attempt, pickup).returncode != 0, attempt
    assert (pickup / "mine.eml").read_text() == LETTER.format(subject="mine")


def scenario_a_file_closed_to_the_service_goes_to_badmail_with_the_reason(world):
    """At once when it is old; a new one waits for ten seconds and is taken when it is opened."""
    sink, pickup = start(world)
    done = run_as(MEMBER, 'umask 077; printf "%s" "$1" > "$2/tmp/x"; '
                  'touch -d "1 hour ago" "$2/tmp/x"; mv "$2/tmp/x" "$2/new/closed.eml"',
                  LETTER.format(subject="closed"), pickup)
    assert done.returncode == 0, done.stderr
    [event] = world.wait_for_event("pickup-refused")
    assert event["file"] == "closed.eml", event
    assert "0600" in event["reason"] and str(MEMBER) in event["reason"], event
    assert "umask 027" in (world.home() / "Badmail/new/closed.eml.reason").read_text()

    assert write(MEMBER, pickup / "late.eml", "late", umask="077").returncode == 0
    assert run_as(MEMBER, 'sleep 0.2; chmod g+r "$1"', pickup / "late.eml").returncode == 0
    [message] = sink.wait_for(1)
    assert message.parsed()["Subject"] == "late"
    until(lambda: not (pickup / "late.eml").exists(), "the file is taken")


def scenario_a_service_outside_the_group_says_so_and_keeps_pickup_for_itself(world):
    _, pickup = start(world, groups_of_service=SERVICE)
    events = world.wait_for_event("home", 3)
    assert all("chgrp" in event["finding"] for event in events), events
    assert stat.S_IMODE(pickup.stat().st_mode) == 0o3770
    assert pickup.stat().st_gid == SERVICE
    assert write(MEMBER, pickup / "no.eml", "no").returncode != 0
