"""A next hop that speaks TLS, and misbehaves in it as it is told."""

import socket
import ssl
import threading

from waiting import own_address


class TlsNextHop:
    """Serves one connection a thread. `offers`: the EHLO keywords; `on_start_tls`: what happens
    after 220: handshake, refuse (454 instead), garbage, close, inject (a reply in clear)."""

    def __init__(self, world, identity, *, offers=("STARTTLS", "PIPELINING"), implicit=False,
                 on_start_tls="handshake", client_ca=None, versions=None):
        self.identity, self.offers, self.implicit = identity, offers, implicit
        self.on_start_tls = on_start_tls
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.certificate, identity.key)
        if client_ca:
            self.context.load_verify_locations(client_ca.certificate)
            self.context.verify_mode = ssl.CERT_REQUIRED
        if versions:
            self.context.minimum_version, self.context.maximum_version = versions
            self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.messages = []   # (content, how the connection was)
        self.connections = 0
        self.names = []      # SNI
        self.client_certificates = []
        self.context.sni_callback = lambda _, name, __: self.names.append(name)
        self.address = own_address()
        self.listener = socket.create_server((self.address, 0))
        self.port = self.listener.getsockname()[1]
        self.smart_host = f"[{self.address}]:{self.port}"
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()
        world.clean_ups.append(self.stop)

    def stop(self):
        # Woken first: a thread that waits at a closed descriptor may wake up at its next owner's.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if self.implicit:
                connection = self.wrap(connection)
            self.talk(connection)
        except (OSError, ssl.SSLError, EOFError):
            pass
        finally:
            connection.close()

    def wrap(self, connection):
        wrapped = self.context.wrap_socket(connection, server_side=True)
        self.client_certificates.append(wrapped.getpeercert())
        return wrapped

    def talk(self, connection, greets=True):
        lines = connection.makefile("rb")
        say = lambda text: connection.sendall(text.encode() + b"\r\n")
        secure = isinstance(connection, ssl.SSLSocket)
        if greets:
            say("220 next.example ESMTP")
        while True:
            line = lines.readline()
            if not line:
                raise EOFError
            verb = line.split()[0].upper() if line.split() else b""
            if verb in (b"EHLO", b"HELO"):
                offers = [o for o in self.offers if not (secure and o == "STARTTLS")]
                for offer in ["next.example", *offers][:-1]:
                    say("250-" + offer)
                say("250 " + ["next.example", *offers][-1])
            elif verb == b"STARTTLS":
                if self.on_start_tls == "refuse":
                    say("454 4.7.0 TLS is not available today")
                    continue
                if self.on_start_tls == "inject":
                    connection.sendall(b"220 go\r\n250-next.example\r\n250 AUTH PLAIN\r\n")
                else:
                    say("220 go ahead")
                if self.on_start_tls == "close":
                    return
                if self.on_start_tls == "garbage":
                    connection.sendall(b"this is no handshake\r\n" * 20)
                    return
                return self.talk(self.wrap(connection), greets=False)
            elif verb == b"DATA":
                say("354 go")
                content = b""
                while (text := lines.readline()) != b".\r\n":
                    if not text:
                        raise EOFError
                    content += text
                self.messages.append((content, connection.version() if secure else "clear"))
                say("250 2.0.0 taken")
            elif verb == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 2.0.0 fine")
