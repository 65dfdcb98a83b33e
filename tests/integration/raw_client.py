"""A client that says exactly what it is told."""

import socket

from waiting import WAIT_SECONDS


class Raw:
    def __init__(self, port, address, receive_buffer_bytes=None, source=None):
        self.socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.socket.settimeout(WAIT_SECONDS)
        if receive_buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect((address, port))
        self.pending = b""

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.pending:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.pending)
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line + b"\n"

    def reply(self):
        """One whole reply, as text."""
        lines = []
        while True:
            line = self.line()
            lines.append(line.decode("latin-1"))
            if line[3:4] != b"-":
                return "".join(lines)

    def ask(self, data):
        self.send(data)
        return self.reply()

    def expect(self, data, code):
        reply = self.ask(data)
        assert reply.startswith(code), f"{data[:200]!r}: wanted {code}, got {reply!r}"
        return reply

    def hello(self):
        banner = self.reply()
        assert banner.startswith("220 "), banner
        return self.expect(b"EHLO client.example\r\n", "250")

    def begin(self, recipient="bob@example.org", sender="ann@sender.example", parameters=""):
        """A transaction up to its first recipient."""
        self.expect(f"MAIL FROM:<{sender}>{parameters}\r\n".encode(), "250")
        self.expect(f"RCPT TO:<{recipient}>\r\n".encode(), "250")

    def message(self, content, **transaction):
        """A whole message; the content ends with CRLF and is dot-stuffed already."""
        self.begin(**transaction)
        self.expect(b"DATA\r\n", "354")
        return self.expect(content + b".\r\n", "250")

    def rest(self):
        """What comes until the peer closes."""
        data, self.pending = self.pending, b""
        while True:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                return data
            if not more:
                return data
            data += more

    def is_closed(self):
        return self.rest() == b""

    def close(self):
        self.socket.close()
