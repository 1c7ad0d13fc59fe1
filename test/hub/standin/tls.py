"""Certificates good and bad, made with the openssl command, and the server side of TLS.

    authority().ca_path            the root that clients are told to trust (PEM)
    Tls(leaf="expired")            what a listener presents; see LEAVES
    Tls(key="rsa", versions="1.2")
"""
from __future__ import annotations

import atexit
import os
import shutil
import ssl
import subprocess
import tempfile
import threading
import warnings
from pathlib import Path

NAMES = ("127.0.0.1", "127.0.0.2", "127.0.0.3", "::1", "localhost", "hub.test", "*.hub.test", "cdn.test",
         "mirror.test")
LEAVES = {
    "good": "signed by the root, for every name this Hub uses",
    "chain": "signed by an intermediate, which is sent along",
    "long-chain": "the same, followed by a hundred certificates nobody needs",
    "no-intermediate": "signed by an intermediate, which is not sent",
    "expired": "ended in 2021",
    "future": "begins in 2090",
    "wrong-name": "for elsewhere.test only",
    "no-san": "the right name in the subject only",
    "self-signed": "signed by nobody but itself",
    "unknown-ca": "signed by a root no client was told of",
}
_KEYS = {"ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"]}
_VERSIONS = {"1.1": (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1),
             "any": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
             "1.2": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2),
             "1.3": (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)}

_CONFIG = """
[req]
distinguished_name = dn
[dn]
[ca]
default_ca = here
[here]
database = {dir}/index.txt
serial = {dir}/serial
new_certs_dir = {dir}
default_md = sha256
policy = any
unique_subject = no
email_in_dn = no
[any]
commonName = supplied
"""
_CA_EXTENSIONS = ("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
                  "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
_LEAF_EXTENSIONS = ("subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nbasicConstraints=critical,CA:FALSE\n"
                    "keyUsage=critical,digitalSignature,keyEncipherment\n"
                    "extendedKeyUsage=serverAuth\n")


_PREFIX = "standin-ca-"


def _sweep():
    """Removes the folders of processes that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(_PREFIX + "*-*"):
        owner = folder.name[len(_PREFIX):].partition("-")[0]
        if owner.isdigit():
            try:
                os.kill(int(owner), 0)
            except ProcessLookupError:
                shutil.rmtree(folder, ignore_errors=True)
            except OSError:
                pass


class Authority:
    """A root, an intermediate and a root that nobody knows, in a temporary folder; leaves are made when asked for."""

    def __init__(self):
        _sweep()
        self.dir = Path(tempfile.mkdtemp(prefix="%s%d-" % (_PREFIX, os.getpid())))
        self._lock = threading.Lock()
        self._leaves = {}
        self._issuers = {}
        (self.dir / "index.txt").touch()
        (self.dir / "serial").write_text("1000\n")
        (self.dir / "openssl.cnf").write_text(_CONFIG.format(dir=self.dir))
        self.ca_path = self._issuer("root")

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def leaf(self, kind="good", key="ecdsa"):
        """(certificate chain, private key) as paths."""
        if kind not in LEAVES:
            raise ValueError("no such certificate: %r; there are %s" % (kind, ", ".join(LEAVES)))
        with self._lock:
            if (kind, key) not in self._leaves:
                self._leaves[kind, key] = self._make_leaf(kind, key)
            return self._leaves[kind, key]

    def _openssl(self, *words):
        done = subprocess.run(["openssl"] + [str(w) for w in words], stdin=subprocess.DEVNULL, cwd=self.dir,
                              capture_output=True, timeout=60)
        if done.returncode:
            raise RuntimeError("openssl %s: %s" % (words[0], done.stderr.decode(errors="replace")))

    def _request(self, name, subject, key="ecdsa"):
        self._openssl("req", "-new", "-nodes", *_KEYS[key], "-config", "openssl.cnf", "-subj", "/CN=" + subject,
                      "-keyout", name + ".key", "-out", name + ".csr")

    def _sign(self, name, extensions, issuer, begin="20240101000000Z", end="20491231000000Z"):
        """`issuer` None: the certificate signs itself."""
        (self.dir / (name + ".ext")).write_text(extensions)
        by = ["-selfsign", "-keyfile", name + ".key"] if issuer is None else \
            ["-cert", issuer + ".pem", "-keyfile", issuer + ".key"]
        self._openssl("ca", "-batch", "-notext", "-config", "openssl.cnf", *by, "-startdate", begin, "-enddate", end,
                      "-extfile", name + ".ext", "-in", name + ".csr", "-out", name + ".pem")
        return self.dir / (name + ".pem")

    def _issuer(self, name):
        if name not in self._issuers:
            above = self._issuer("root") and "root" if name == "intermediate" else None
            self._request(name, "Stand-in %s CA" % name)
            self._issuers[name] = self._sign(name, _CA_EXTENSIONS, above)
        return self._issuers[name]

    def _make_leaf(self, kind, key):
        name = "%s-%s" % (kind, key)
        issuer = {"chain": "intermediate", "long-chain": "intermediate", "no-intermediate": "intermediate",
                  "self-signed": None, "unknown-ca": "unknown"}.get(kind, "root")
        if issuer:
            self._issuer(issuer)
        names = ("elsewhere.test",) if kind == "wrong-name" else NAMES
        alternatives = ",".join(("IP:" if n[0].isdigit() or ":" in n else "DNS:") + n for n in names)
        extensions = _LEAF_EXTENSIONS + ("" if kind == "no-san" else "subjectAltName=%s\n" % alternatives)
        dates = {"expired": ("20200101000000Z", "20210101000000Z"), "future": ("20900101000000Z", "20910101000000Z")}
        self._request(name, "elsewhere.test" if kind == "wrong-name" else "localhost", key)
        chain = self._sign(name, extensions, issuer, *dates.get(kind, ()))
        if kind.endswith("chain"):
            copies = 100 if kind == "long-chain" else 1
            chain.write_text(chain.read_text() + self._issuers["intermediate"].read_text() * copies)
        return chain, self.dir / (name + ".key")


_authority = None
_authority_lock = threading.Lock()


def authority():
    """The one of this process; its folder is removed when the process ends."""
    global _authority
    with _authority_lock:
        if _authority is None:
            _authority = Authority()
            atexit.register(_authority.close)
        return _authority


class Tls:
    """How a listener speaks TLS. `leaf` is one of LEAVES, `key` ecdsa or rsa, `versions` any, 1.2, 1.3, or
    1.1 for what nobody should accept; `alpn` lists
    the protocols offered, () none at all; `ciphers` is OpenSSL's list for TLS 1.2."""

    def __init__(self, leaf="good", key="ecdsa", versions="any", alpn=("http/1.1",), ciphers=None):
        self.leaf, self.key, self.versions, self.alpn, self.ciphers = leaf, key, versions, tuple(alpn), ciphers

    @staticmethod
    def of(value):
        """None and False: plain; True: all defaults; a dict: its settings."""
        if not value:
            return None
        if isinstance(value, Tls):
            return value
        return Tls(**value) if isinstance(value, dict) else Tls()

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = _VERSIONS[self.versions]
        if self.versions == "1.1":
            context.set_ciphers("ALL:@SECLEVEL=0")
        chain, key = authority().leaf(self.leaf, self.key)
        context.load_cert_chain(chain, key)
        if self.ciphers:
            context.set_ciphers(self.ciphers)
        if self.alpn:
            context.set_alpn_protocols(list(self.alpn))
        return context
