"""Users files, and what a client says to log in."""

import base64
import ctypes
import hashlib
import hmac
import os

PASSWORD = "correct horse"


def yescrypt(password):
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    return library.crypt(password.encode(), b"$y$j9T$rvTYCLEIqOdcgnw0rhpfV/").decode()


def scram_keys(password, iterations=4096):
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hmac.new(salted, b"Client Key", "sha256").digest()
    server = hmac.new(salted, b"Server Key", "sha256").digest()
    return (f"SCRAM-SHA-256${iterations}:{b64(salt)}$"
            f"{b64(hashlib.sha256(client).digest())}:{b64(server)}")


def line(name, password=PASSWORD, options="", scram=True):
    keys = " " + scram_keys(password) if scram else ""
    return f"{name}:{yescrypt(password)}{keys}" + (f":{options}" if options else "") + "\n"


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def plain(name, password=PASSWORD):
    return b"AUTH PLAIN " + b64(f"\0{name}\0{password}").encode() + b"\r\n"


def write(world, text, name="users"):
    path = world.directory / name
    path.write_text(text)
    path.chmod(0o640)
    return path


def write_server(world, text=None, *, authentication="clear", keys="require_tls: false",
                 access="", smart_host=None, **more):
    """A virtual server whose clients may only relay when they have logged in."""
    users = "" if text is None else f"users: {write(world, text)}"
    settings = ", ".join(part for part in (users, keys) if part)
    delivery = f"delivery: {{ smart_host: [\"{smart_host}\"] }}\n" if smart_host else ""
    world.write_server(relay=False, text=(
        f"access:\n  authentication: {{ {settings} }}\n{access}{delivery}"), **more)
    path = world.server_file()
    path.write_text(path.read_text().replace(
        f"port: {world.port} }}", f"port: {world.port}, authentication: {authentication} }}"))


class Scram:
    """SCRAM-SHA-256 of a client."""

    def __init__(self, name, password=PASSWORD):
        self.bare = f"n={name},r={b64(os.urandom(12))}"
        self.password = password

    def first(self):
        return b64("n,," + self.bare)

    def final(self, challenge):
        server_first = base64.b64decode(challenge).decode()
        parts = dict(part.split("=", 1) for part in server_first.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(),
                                     base64.b64decode(parts["s"]), int(parts["i"]))
        key = hmac.new(salted, b"Client Key", "sha256").digest()
        without_proof = "c=biws,r=" + parts["r"]
        message = ",".join((self.bare, server_first, without_proof)).encode()
        signature = hmac.new(hashlib.sha256(key).digest(), message, "sha256").digest()
        proof = bytes(a ^ b for a, b in zip(key, signature))
        server_key = hmac.new(salted, b"Server Key", "sha256").digest()
        self.server_final = "v=" + b64(hmac.new(server_key, message, "sha256").digest())
        return b64(without_proof + ",p=" + b64(proof))
