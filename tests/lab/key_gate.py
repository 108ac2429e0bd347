"""A real nginx with TLS before a real Elasticsearch, that lets in who shows its API key.

The server that tests can have gives out no keys; who asks for them in front of it is as strict as one that does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.x509 import Certificate

from tests.lab.certificates import issue
from tests.lab.nginx import Nginx, running_nginx

KEY = "amluZHVuLXRlc3RzOm9ubHktZm9yLXRlc3Rz"
"""As Elasticsearch gives it out in `encoded`."""
_REFUSAL = (
    '{"error": {"type": "security_exception", "reason": "unable to authenticate with provided credentials"}, '
    '"status": 401}'
)


@dataclass(frozen=True, slots=True)
class KeyGate:
    """A running gate."""

    url: str
    authority: Path
    """The certificate that signed the gate's own."""
    fingerprints: dict[str, str]
    """SHA-256 of both, as `openssl x509 -fingerprint` writes it: `own` and `authority`."""
    _nginx: Nginx
    _shut: Path

    def asked(self) -> list[str]:
        """The requests so far, also those of who was refused."""
        return self._nginx.asked()

    def revoke(self) -> None:
        """The key is no longer good."""
        self._shut.touch()

    def renew(self) -> None:
        """The key is good again."""
        self._shut.unlink()


@contextmanager
def key_gate(folder: Path, upstream: str) -> Iterator[KeyGate]:
    """Keep a gate before the server at that address running."""
    authority = issue(folder / "authority", authority=True)
    issued = issue(folder / "gate", "127.0.0.1", issuer=authority)
    chain = folder / "chain.pem"
    chain.write_bytes(issued.certificate_file.read_bytes() + authority.certificate_file.read_bytes())
    shut = folder / "revoked"
    refuse = f"{{ return 401 '{_REFUSAL}'; }}"
    server = f"""
        ssl_certificate {chain};
        ssl_certificate_key {issued.key_file};
        client_max_body_size 100m;
        location / {{
            default_type application/json;
            if ($http_authorization != "ApiKey {KEY}") {refuse}
            if (-f {shut}) {refuse}
            proxy_pass {upstream};
            proxy_http_version 1.1;
            proxy_set_header Authorization "";
        }}
    """
    with running_nginx(folder, server, " ssl") as nginx:
        prints = {"own": _fingerprint(issued.certificate), "authority": _fingerprint(authority.certificate)}
        yield KeyGate(f"https://127.0.0.1:{nginx.port}", authority.certificate_file, prints, nginx, shut)


def _fingerprint(certificate: Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
