"""Whether the certificates that a server showed lead to a trusted authority, judged without asking it again."""

import ssl
import warnings
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from secops.support.clock import now


@dataclass(frozen=True, slots=True)
class Trust:
    """The verdict on a chain, for one host at one moment."""

    trusted: bool
    why: str
    """Why not; empty when it is."""


def trust_of(chain: tuple[bytes, ...], host: str, authorities: str = "") -> Trust:
    """Judge a chain of DER certificates, the server's own first; `authorities` is a PEM file trusted besides."""
    if not chain:
        return Trust(False, "no certificate")
    roots = _roots(authorities)
    if not roots:
        return Trust(False, "this machine knows no authorities")
    try:
        leaf, *between = (x509.load_der_x509_certificate(der) for der in chain)
        verifier = PolicyBuilder().store(Store(list(roots))).time(now()).build_server_verifier(_subject(host))
        verifier.verify(leaf, between)
    except (VerificationError, ValueError) as error:
        return Trust(False, str(error)[:200])
    return Trust(True, "")


def _subject(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


@lru_cache(maxsize=4)
def _roots(authorities: str) -> tuple[x509.Certificate, ...]:
    files = [found for found in (ssl.get_default_verify_paths().cafile, authorities) if found]
    with warnings.catch_warnings():
        # Some public roots are older than today's rules for serial numbers.
        warnings.simplefilter("ignore")
        return tuple(root for file in files for root in x509.load_pem_x509_certificates(Path(file).read_bytes()))
