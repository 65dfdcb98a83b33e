"""A program at a terminal of its own: typed at, read, interrupted, hung up."""

import os
import pty
import re
import select
import time

from waiting import WAIT_SECONDS


class Terminal:
    def __init__(self, command):
        words = [str(word) for word in command]
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execv(words[0], words)
        self.seen = ""
        self.at = 0  # what was expected so far ends here
        self.code = None

    def read_some(self):
        """False at the end."""
        ready, _, _ = select.select([self.master], [], [], 0.1)
        if not ready:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # the other side is gone
            data = b""
        self.seen += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def expect(self, text):
        """Reads until the text is there; answers what came before it."""
        end = time.monotonic() + WAIT_SECONDS
        while text not in self.seen[self.at:]:
            assert self.read_some(), f"ended before {text!r}: {self.seen!r}"
            assert time.monotonic() < end, f"no {text!r} in {self.seen!r}"
        found = self.seen.index(text, self.at)
        before = self.seen[self.at:found]
        self.at = found + len(text)
        return before

    def type(self, text):
        os.write(self.master, text.encode() + b"\n")

    def answer(self, question, text):
        self.expect(question)
        self.expect("]: ")
        self.type(text)

    def interrupt(self):
        os.write(self.master, b"\x03")

    def end_of_file(self):
        os.write(self.master, b"\x04")

    def hang_up(self):
        os.close(self.master)
        self.master = -1

    def wait(self):
        """The exit code; of a signal its negative number."""
        while self.master >= 0 and self.read_some():
            pass
        _, status = os.waitpid(self.pid, 0)
        self.code = os.waitstatus_to_exitcode(status)
        if self.master >= 0:
            os.close(self.master)
        return self.code

    def suggestion(self, question):
        """What stands in brackets behind the question that is open."""
        self.expect(question)
        return re.search(r"\[([^\n]*)$", self.expect("]: ")).group(1)
