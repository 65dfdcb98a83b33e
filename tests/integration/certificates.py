"""Keys and certificates for scenarios, made by openssl(1) in the world's directory."""

import subprocess


class Identity:
    def __init__(self, certificate, key):
        self.certificate = certificate
        self.key = key

    def access(self, more=""):
        """For write_server(access=...)."""
        return f"tls: {{ certificate: {self.certificate}, key: {self.key}{more} }}"


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, f"openssl {arguments}: {done.stderr}"
    return done.stdout


def make(world, stem, names=("mx.local.example",), issuer=None, rsa=False, days=30,
         authority=False):
    """Signed by `issuer`, or by itself."""
    certificate = world.directory / f"{stem}.pem"
    key = world.directory / f"{stem}.key"
    kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command = ["req", "-x509", "-newkey", *kind, "-nodes", "-subj", f"/CN={stem}", "-days", days,
               "-keyout", key, "-out", certificate,
               "-addext", "basicConstraints=critical,CA:" + ("TRUE" if authority else "FALSE")]
    if names:
        kinds = [f"IP:{name}" if name.replace(".", "").isdigit() else f"DNS:{name}"
                 for name in names]
        command += ["-addext", "subjectAltName=" + ",".join(kinds)]
    if issuer is not None:
        command += ["-CA", issuer.certificate, "-CAkey", issuer.key]
    openssl(*command)
    return Identity(certificate, key)


def fingerprint(identity):
    text = openssl("x509", "-in", identity.certificate, "-noout", "-fingerprint", "-sha256")
    return text.strip().split("=")[1]
