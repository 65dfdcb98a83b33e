"""A stand-in for Microsoft 365: a token endpoint and an SMTP server that takes its tokens, and many
ways for both to misbehave as the real ones are known to. Also a host for every password mechanism.

`tokens.mode` and `host.mode` may change at any time; both count what was asked of them.
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import socket
import socketserver
import threading
import time
import urllib.parse

from waiting import own_address

HUGE = 2 ** 31


class TokenEndpoint:
    """POST /token as of RFC 6749. `mode` None: well-behaved."""

    def __init__(self, world, *, lifetime=3600, client_id="app", client_secret="s3cret"):
        self.lifetime, self.client_id, self.client_secret = lifetime, client_id, client_secret
        self.mode = None
        self.forms = []
        self.tokens = {}  # token: when it ends
        self.refresh_token = "refresh-0"
        self.rotates = False
        self.said_pending = False
        self.lock = threading.Lock()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                endpoint.answer(self, dict(urllib.parse.parse_qsl(body.decode())))

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # clients that have enough of us go away
                pass

        self.address = own_address(1)
        self.server = Server((self.address, 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://{self.address}:{self.port}/token"
        self.device_url = f"http://{self.address}:{self.port}/devicecode"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        world.clean_ups.append(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def count(self):
        with self.lock:
            return len(self.forms)

    def is_valid(self, token):
        with self.lock:
            return self.tokens.get(token, 0) > time.monotonic()

    def revoke_all(self):
        with self.lock:
            self.tokens.clear()

    def answer(self, request, form):
        with self.lock:
            self.forms.append(form)
        misbehave = getattr(self, f"say_{self.mode}", None) if self.mode else None
        if misbehave is not None:
            misbehave(request)
        elif request.path == "/devicecode":
            self.send(request, 200, {"device_code": "dev-1", "user_code": "ABCD-EFGH",
                                     "verification_uri": "https://microsoft.example/devicelogin",
                                     "interval": 1, "expires_in": 60})
        else:
            self.send(request, *self.judge(form))

    def judge(self, form):
        wrong = self.wrong_with(form)
        if wrong:
            return wrong
        token = "eyJ0." + base64.urlsafe_b64encode(os.urandom(900)).decode().rstrip("=")
        with self.lock:
            self.tokens[token] = time.monotonic() + self.lifetime
            answer = {"token_type": "Bearer", "expires_in": self.lifetime,
                      "ext_expires_in": self.lifetime, "access_token": token}
            if form["grant_type"] != "client_credentials" and self.rotates:
                self.refresh_token = f"refresh-{len(self.forms)}"
                answer["refresh_token"] = self.refresh_token
        return 200, answer

    def wrong_with(self, form):
        grant = form.get("grant_type")
        if form.get("client_id") != self.client_id and "assertion" not in form:
            return self.error("unauthorized_client", "AADSTS700016: Application was not found.")
        if grant == "client_credentials":
            if "client_assertion" in form:
                return self.wrong_with_assertion(form["client_assertion"])
            if form.get("client_secret") != self.client_secret:
                return self.error("invalid_client", "AADSTS7000215: Invalid client secret "
                                  "provided. Trace ID: 1\r\nCorrelation ID: 2\r\nTimestamp: 3", 401)
        elif grant == "refresh_token":
            if form.get("refresh_token") != self.refresh_token:
                return self.error("invalid_grant", "AADSTS50173: The provided grant has expired "
                                  "due to it being revoked.")
        elif grant == "urn:ietf:params:oauth:grant-type:device_code":
            if not self.said_pending:
                self.said_pending = True
                return self.error("authorization_pending", "AADSTS70016: Pending end-user login.")
            self.rotates = True
        elif grant == "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return self.wrong_with_assertion(form["assertion"])
        else:
            return self.error("unsupported_grant_type", "?")
        return None

    def wrong_with_assertion(self, text):
        parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in
                 text.split(".")]
        header, claims = json.loads(parts[0]), json.loads(parts[1])
        self.last_assertion = header, claims
        if header["alg"] not in ("RS256", "PS256") or claims["aud"] != self.url:
            return self.error("invalid_client", "AADSTS700027: Client assertion failed.")
        if not claims["nbf"] <= time.time() < claims["exp"]:
            return self.error("invalid_client", "AADSTS700024: Client assertion is not within its "
                              "valid time range.")
        return None

    @staticmethod
    def error(code, description, status=400):
        return status, {"error": code, "error_description": description}

    @staticmethod
    def send(request, status, answer, headers=()):
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        request.send_response(status)
        kind = "text/html" if body.startswith(b"<") else "application/json; charset=utf-8"
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    # Misbehaviour --------------------------------------------------------------------------------

    def say_html(self, request):
        self.send(request, 200, b"<html><body>Sign in to your account</body></html>")

    def say_redirect(self, request):
        self.send(request, 302, b"", [("Location", f"http://{self.address}:{self.port}/elsewhere")])

    def say_throttled(self, request):
        self.send(request, 429, {"error": "slow_down"}, [("Retry-After", "1")])

    def say_down(self, request):
        self.send(request, 503, b"<html>Service unavailable</html>")

    def say_expired_secret(self, request):
        self.send(request, *self.error("invalid_client", "AADSTS7000222: The provided client "
                                       "secret keys for app 'app' are expired.", 401))

    def say_wrong_types(self, request):
        self.send(request, 200, {"access_token": {"a": 1}, "expires_in": []})

    def say_deep(self, request):
        self.send(request, 200, b"[" * 60000)

    def say_half(self, request):
        request.send_response(200)
        request.send_header("Content-Length", "500")
        request.end_headers()
        request.wfile.write(b'{"access_token":"abc')
        request.close_connection = True

    def say_huge(self, request):
        request.send_response(200)
        request.send_header("Content-Length", str(HUGE))
        request.end_headers()
        for _ in range(HUGE // 65536):
            request.wfile.write(b"x" * 65536)

    def say_hang(self, request):
        while self.mode == "hang":
            time.sleep(0.05)
        request.close_connection = True


class SubmissionHost:
    """An SMTP server that takes mail from who has logged in. `mode` None: well-behaved."""

    def __init__(self, world, tokens=None, *, mechanisms="XOAUTH2", username="printer@contoso.com",
                 password="pass word", tls=None):
        self.tokens, self.mechanisms = tokens, mechanisms
        self.username, self.password = username, password
        self.tls = tls  # an ssl.SSLContext: STARTTLS is offered, and AUTH behind it only
        self.mode = None
        self.mail = []  # (sender, recipients, content)
        self.logins = []  # (mechanism, "ok" or the refusal)
        self.lines = []  # all commands
        host = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                Session(host, self).run()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_):
                pass

        self.address = own_address(2)
        self.server = Server((self.address, 0), Handler)
        self.port = self.server.server_address[1]
        self.smart_host = f"[{self.address}]:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        world.clean_ups.append(self.close)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Session:
    def __init__(self, host, handler):
        self.host, self.handler = host, handler
        self.reader, self.writer = handler.rfile, handler.wfile
        self.is_encrypted = self.is_known = False
        self.sender, self.recipients = None, []

    def say(self, text):
        self.writer.write((text + "\r\n").encode())
        self.writer.flush()

    def hear(self):
        line = self.reader.readline(20000)
        if not line:
            raise ConnectionError
        return line.decode("latin-1").rstrip("\r\n")

    def run(self):
        self.say("220 smtp.office365.example Microsoft ESMTP MAIL Service ready")
        while True:
            line = self.hear()
            self.host.lines.append(line)
            verb, _, argument = line.partition(" ")
            verb = verb.upper()
            if verb == "QUIT":
                self.say("221 2.0.0 Service closing transmission channel")
                return
            getattr(self, "on_" + verb.lower(), self.on_unknown)(argument)

    def on_unknown(self, _):
        self.say("500 5.3.3 Unrecognized command")

    def on_ehlo(self, _):
        lines = ["smtp.office365.example Hello", "SIZE 157286400", "8BITMIME", "CHUNKING",
                 "ENHANCEDSTATUSCODES"]
        if self.host.tls is not None and not self.is_encrypted:
            lines.append("STARTTLS")
        elif self.host.mechanisms:
            lines.append("AUTH " + self.host.mechanisms)
        for number, line in enumerate(lines, 1):
            self.say(("250 " if number == len(lines) else "250-") + line)

    def on_starttls(self, _):
        self.say("220 2.0.0 SMTP server ready")
        secured = self.host.tls.wrap_socket(self.handler.connection, server_side=True)
        self.reader, self.writer = secured.makefile("rb"), secured.makefile("wb")
        self.is_encrypted = True

    def on_mail(self, argument):
        if not self.is_known:
            self.say("530 5.7.57 Client not authenticated to send mail. [host.example]")
            return
        if self.host.mode == "too_many":
            self.say("421 4.7.500 Server busy. Please try again later [host.example]")
            raise ConnectionError
        self.sender, self.recipients = argument, []
        self.say("250 2.1.0 Sender OK")

    def on_rcpt(self, argument):
        self.recipients.append(argument)
        self.say("250 2.1.5 Recipient OK")

    def on_rset(self, _):
        self.say("250 2.0.0 Resetting")

    def on_data(self, _):
        self.say("354 Start mail input; end with <CRLF>.<CRLF>")
        content = []
        while (line := self.reader.readline()) != b".\r\n":
            if not line:
                raise ConnectionError
            content.append(line)
        self.end_of_mail(b"".join(content))

    def on_bdat(self, argument):
        size = int(argument.split()[0])
        self.end_of_mail(self.reader.read(size))

    def end_of_mail(self, content):
        if self.host.mode == "send_as_denied":
            self.say("550 5.7.60 SMTP; Client does not have permissions to send as this sender "
                     "[host.example]")
            return
        if self.host.mode == "submission_denied":
            self.say("554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException."
                     "MapiExceptionSendAsDenied; Failed to process message")
            return
        self.host.mail.append((self.sender, self.recipients, content))
        self.say("250 2.0.0 OK <1@host.example> [Hostname=host.example]")

    # AUTH ----------------------------------------------------------------------------------------

    def ask(self, challenge=b""):
        self.say("334 " + base64.b64encode(challenge).decode())
        answer = self.hear()
        if answer == "*":
            self.say("501 5.5.4 cancelled")
            raise Cancelled
        return base64.b64decode(answer)

    def on_auth(self, argument):
        mechanism, _, initial = argument.partition(" ")
        refusals = {
            "basic_off": "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is "
                         "disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled",
            "basic_gone": "550 5.7.30 Basic authentication is not supported for Client Submission.",
            "gmail_password": "535-5.7.8 Username and Password not accepted.\r\n"
                              "535 5.7.8 https://support.google.com/mail/?p=BadCredentials",
            "gmail_app_password":
                "534-5.7.9 Application-specific password required.\r\n"
                "534 5.7.9 https://support.google.com/mail/?p=InvalidSecondFactor",
            "busy": "454 4.7.0 Temporary authentication failure",
        }
        try:
            check = getattr(self, "check_" + mechanism.replace("-", "_").lower())
            is_known = check(base64.b64decode(initial) if initial else None)
        except Cancelled:
            self.host.logins.append((mechanism, "cancelled"))
            return
        if self.host.mode in refusals:
            is_known = False
        reply = refusals.get(self.host.mode,
                             "535 5.7.3 Authentication unsuccessful [host.example]")
        self.host.logins.append((mechanism, "ok" if is_known else reply))
        if is_known:
            self.is_known = True
            self.say("235 2.7.0 Authentication successful")
        else:
            self.say(reply)

    def check_xoauth2(self, message):
        if message is None:
            message = self.ask()
        user, bearer = f"user={self.host.username}\x01", "auth=Bearer "
        text = message.decode()
        is_good = (text.startswith(user + bearer) and text.endswith("\x01\x01") and
                   self.host.tokens.is_valid(text[len(user + bearer):-2]))
        if not is_good:
            self.ask(b'{"status":"400","schemes":"Bearer","scope":"https://outlook.office.com"}')
        return is_good

    def check_plain(self, message):
        if message is None:
            message = self.ask()
        return message == f"\0{self.host.username}\0{self.host.password}".encode()

    def check_login(self, name):
        if name is None:
            name = self.ask(b"Username:")
        password = self.ask(b"Password:")
        return (name, password) == (self.host.username.encode(), self.host.password.encode())

    def check_cram_md5(self, _):
        challenge = b"<1.2@host.example>"
        answer = self.ask(challenge).decode()
        digest = hmac.new(self.host.password.encode(), challenge, hashlib.md5).hexdigest()
        return answer == f"{self.host.username} {digest}"

    def check_scram_sha_256(self, first):
        bare = first.decode().removeprefix("n,,")
        name, nonce = bare.split(",")
        salt, count = os.urandom(16), 4096
        server_nonce = nonce[2:] + "server"
        server_first = f"r={server_nonce},s={base64.b64encode(salt).decode()},i={count}"
        final = self.ask(server_first.encode()).decode()
        without_proof, _, proof = final.rpartition(",p=")
        salted = hashlib.pbkdf2_hmac("sha256", self.host.password.encode(), salt, count)
        message = f"{bare},{server_first},{without_proof}".encode()

        def mac(key, text):
            return hmac.new(key, text, hashlib.sha256).digest()

        client_key = mac(salted, b"Client Key")
        signature = mac(hashlib.sha256(client_key).digest(), message)
        expected = bytes(a ^ b for a, b in zip(client_key, signature))
        is_good = name == "n=" + self.host.username and base64.b64decode(proof) == expected
        if is_good:
            verifier = mac(mac(salted, b"Server Key"), message)
            if self.host.mode == "impostor":
                verifier = bytes(32)
            self.ask(b"v=" + base64.b64encode(verifier))
        return is_good


class Cancelled(Exception):
    """The client said "*"."""
