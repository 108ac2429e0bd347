"""Keys and certificates of the demo, made afresh for every run and gone with its folder."""

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from secops.support.clock import now


@dataclass(frozen=True, slots=True)
class SshKey:
    """An Ed25519 key pair: the private half in a file, the public half as the text of one line."""

    path: Path
    public: str


def make_ssh_key(path: Path) -> SshKey:
    """A new key pair at `path`, readable by its owner only."""
    key = Ed25519PrivateKey.generate()
    write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return SshKey(path, key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that nobody but its owner could read at any moment."""
    path.touch(mode=0o600)
    path.write_bytes(content)


class Authority:
    """A certificate authority of the demo's own; its certificate stands in `certificate`."""

    def __init__(self, folder: Path) -> None:
        self._key = generate_private_key(SECP256R1())
        self._name = _name("Jindun demo CA")
        self.certificate = folder / "ca.pem"
        signed = (
            _certificate(self._name, self._name, self._key, days=30)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate.write_bytes(signed.public_bytes(Encoding.PEM))

    def issue(self, folder: Path, address: str, days: int) -> None:
        """`tls.pem` and `tls.key` in `folder`, for an IP address, valid for so many days from now."""
        key = generate_private_key(SECP256R1())
        signed = (
            _certificate(_name(address), self._name, key, days)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        write_secret(folder / "tls.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (folder / "tls.pem").write_bytes(signed.public_bytes(Encoding.PEM))


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    begin = now() - timedelta(minutes=5)  # clocks differ
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
