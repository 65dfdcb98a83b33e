"""Next hops: mailroot-sink with what it captured."""

import email
import email.policy
import json
import signal
import subprocess

from waiting import own_address, until


class Captured:
    """One message as the next hop got it."""

    def __init__(self, path):
        # The sink writes bytes above 127 as \u00XX; addresses are UTF-8.
        envelope = json.loads(json.dumps(json.loads(path.read_text()), ensure_ascii=False).encode(
            "latin-1"))
        self.content = path.with_suffix(".eml").read_bytes()
        self.sender = envelope["reverse_path"]
        self.recipients = envelope["forward_paths"]
        self.mail_parameters = envelope["mail_parameters"]
        self.recipient_parameters = envelope["rcpt_parameters"]
        self.client, self.hello = envelope["client"], envelope["hello"]
        self.violations = envelope["violations"]

    def parsed(self):
        return email.message_from_bytes(self.content, policy=email.policy.default)

    def body(self):
        return self.content.split(b"\r\n\r\n", 1)[1]


class Sink:
    """A next hop. Without a port the kernel gives one; `restart` takes the same again."""

    def __init__(self, world, *options, address=None, port=0, capture=True):
        self.world = world
        self.address = address or own_address()
        self.port = port
        self.capture = capture
        self.directory = None
        self.process = None
        self.start(*options)

    def start(self, *options):
        host = f"[{self.address}]" if ":" in self.address else self.address
        command = [self.world.tools / "mailroot-sink", "--listen", f"{host}:{self.port}"]
        command += [str(option) for option in options]
        if self.capture:
            if self.directory is None:
                self.directory = self.world.directory / f"captured-{len(self.world.sinks)}"
                self.directory.mkdir()
                self.world.sinks.append(self)
            command += ["--capture", self.directory]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.world.processes.append(self.process)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), f"the sink said {line!r}"
        self.port = int(line.rsplit(":", 1)[1])
        self.smart_host = f"{host if ':' in self.address else f'[{host}]'}:{self.port}"

    def count(self):
        return len(list(self.directory.glob("*.json")))

    def messages(self):
        return [Captured(path) for path in sorted(self.directory.glob("*.json"))]

    def wait_for(self, count, seconds=None):
        more = {"seconds": seconds} if seconds else {}
        until(lambda: self.count() >= count, f"{count} messages at the next hop", **more)
        messages = self.messages()
        assert len(messages) == count, f"{len(messages)} messages, wanted {count}"
        return messages

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate()
