"""What a TLS server shows: its certificates, whether they are trusted, and which protocol versions it accepts."""

import ssl
import warnings
from dataclasses import dataclass

from scanners.endings import Unreachable
from scanners.scope import Guard
from secops.model.text import Text

VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, slots=True)
class TlsAnswer:
    """One server as its handshakes show it."""

    address: str
    chain: tuple[bytes, ...]
    """DER, as sent, the server's own certificate first."""
    negotiated: str
    cipher: str
    accepted: tuple[str, ...]
    """The protocol versions that it agreed to, oldest first."""
    distrust_code: int
    """OpenSSL's verification code for the chain, 0 when it leads to a trusted authority."""
    distrust: str
    """What the code means."""


def unjudging_context() -> ssl.SSLContext:
    """A client that talks to any server, to look at it; what it shows is judged, not trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    return context


async def look_at_tls(guard: Guard, host: str, port: int, timeout_seconds: float, authorities: str = "") -> TlsAnswer:
    """Shake hands once per version and once to verify. Raises Unreachable when no handshake succeeds, OSError.

    `authorities` is a PEM file of authorities trusted besides the system's.
    """
    accepted = [name for name in VERSIONS if await _accepts(guard, host, port, name, timeout_seconds)]
    try:
        opened = await guard.open(host, port, tls=unjudging_context(), timeout_seconds=timeout_seconds)
    except ssl.SSLError as error:
        why = error.reason or "no TLS"
        raise Unreachable(Text(f"TLS 握手失败:{why}", f"the TLS handshake failed: {why}")) from error
    tls = opened.tls
    assert tls is not None
    chain, negotiated, cipher = chain_of(tls), tls.version() or "", (tls.cipher() or ("",))[0]
    opened.writer.transport.abort()
    code, meaning = await _distrust(guard, host, port, timeout_seconds, authorities)
    return TlsAnswer(opened.address, chain, negotiated, cipher, tuple(accepted), code, meaning)


async def _accepts(guard: Guard, host: str, port: int, version: str, timeout_seconds: float) -> bool:
    context = unjudging_context()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        # The highest first: the lower bound may not pass it.
        context.maximum_version = VERSIONS[version]
        context.minimum_version = VERSIONS[version]
    try:
        opened = await guard.open(host, port, tls=context, timeout_seconds=timeout_seconds)
    except (ssl.SSLError, ConnectionResetError, EOFError):
        return False
    opened.writer.transport.abort()
    return True


async def _distrust(guard: Guard, host: str, port: int, timeout_seconds: float, authorities: str) -> tuple[int, str]:
    context = ssl.create_default_context()
    context.check_hostname = False
    if authorities:
        context.load_verify_locations(cafile=authorities)
    # Trust alone is asked here: a weak key or an old version is judged by itself.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    try:
        opened = await guard.open(host, port, tls=context, timeout_seconds=timeout_seconds)
    except ssl.SSLCertVerificationError as error:
        return error.verify_code, error.verify_message
    opened.writer.transport.abort()
    return 0, ""


def chain_of(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates as sent, DER, the server's own first."""
    # Before Python 3.13 the chain as sent is reachable only below the public object.
    ask = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    sent = ask() if ask else None
    if sent:
        return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in sent)
    leaf = tls.getpeercert(binary_form=True)
    return (leaf,) if leaf else ()
