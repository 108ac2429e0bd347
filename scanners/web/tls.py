"""Certificate and protocol of a website's TLS."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from scanners.check import Baseline, Check
from scanners.endings import NotApplicable, Unreachable
from scanners.reach import PortState, Reach
from scanners.web.origin import origin_place
from secops.model.city import Asset, AssetKind
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text
from secops.support.clock import from_text, now, to_text

_EXPIRES_SOON = timedelta(days=30)
_OLD = ("TLSv1", "TLSv1.1")
_SMALLEST_KEY = {"RSA": 2048, "DSA": 2048, "EC": 224}
_BROKEN_HASHES = ("md5", "sha1")
_DATE_CODES = (9, 10)
"""OpenSSL's "not yet valid" and "has expired": judged from the dates, not as distrust."""
_SELF_SIGNED_CODES = (18, 19)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What matters of one certificate."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    """DNS names and addresses of the subject alternative name."""
    not_before: str
    not_after: str
    key: str
    """RSA, EC, DSA or another name."""
    key_bits: int
    signature_hash: str
    """Empty for a signature with a hash of its own, such as Ed25519."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the server showed."""

    moment: str
    """When it was looked at, for judging the dates."""
    chain: tuple[Certificate, ...]
    """Empty when the site does not use TLS at all."""
    negotiated: str = ""
    cipher: str = ""
    accepted: tuple[str, ...] = ()
    distrust_code: int = 0
    distrust: str = ""


class Tls(Check[Handshake]):
    """Shakes hands with each protocol version."""

    name = "tls"
    title = Text("TLS 证书与协议", "TLS certificate and protocol")
    describes = Text(
        "逐一尝试各 TLS 版本的握手,检查证书有效期、域名、信任链、密钥和签名强度,以及是否仍接受旧协议或根本没有加密。",
        "Shakes hands with each TLS version and looks at dates, names, trust, key and signature of the certificate, at "
        "old protocols still accepted, and at sites without encryption.",
    )
    kinds = frozenset({AssetKind.WEBSITE})
    observed_type = Handshake

    async def observe(self, asset: Asset, reach: Reach) -> Handshake:
        """The handshakes of an https site; for an http site, that it is there."""
        parts = urlsplit(asset.url)
        if not parts.hostname:
            raise NotApplicable(Text("资产没有登记网址", "the asset has no URL declared"))
        if parts.scheme != "https":
            if await reach.connect(parts.hostname, parts.port or 80) is not PortState.OPEN:
                raise Unreachable(Text(f"{asset.url} 没有应答", f"{asset.url} does not answer"))
            return Handshake(to_text(now()), ())
        seen = await reach.tls(parts.hostname, parts.port or 443)
        return Handshake(
            moment=to_text(now()),
            chain=tuple(_certificate(der) for der in seen.chain),
            negotiated=seen.negotiated,
            cipher=seen.cipher,
            accepted=seen.accepted,
            distrust_code=seen.distrust_code,
            distrust=seen.distrust,
        )

    def judge(
        self,
        asset: Asset,
        observed: Handshake,
        baseline: Baseline[Handshake] | None,
    ) -> Iterable[Weakness]:
        """Dates, name, trust, strength and protocols, each apart."""
        if not observed.chain:
            yield _absent(asset)
            return
        leaf = observed.chain[0]
        yield from _dates(asset, leaf, from_text(observed.moment))
        yield from _name(asset, leaf)
        yield from _trust(asset, observed)
        yield from _strength(asset, observed.chain)
        yield from _protocols(asset, observed.accepted)


def _certificate(der: bytes) -> Certificate:
    try:
        parsed = x509.load_der_x509_certificate(der)
        kind, bits = _key(parsed)
        return Certificate(
            subject=parsed.subject.rfc4514_string(),
            issuer=parsed.issuer.rfc4514_string(),
            names=_names(parsed),
            not_before=to_text(parsed.not_valid_before_utc),
            not_after=to_text(parsed.not_valid_after_utc),
            key=kind,
            key_bits=bits,
            signature_hash=parsed.signature_hash_algorithm.name if parsed.signature_hash_algorithm else "",
        )
    except ValueError as error:
        raise Unreachable(Text(f"证书无法解析:{error}", f"the certificate cannot be parsed: {error}")) from error


def _key(parsed: x509.Certificate) -> tuple[str, int]:
    key = parsed.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", key.key_size
    return type(key).__name__.removesuffix("PublicKey"), 0


def _names(parsed: x509.Certificate) -> tuple[str, ...]:
    try:
        found = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = (str(address) for address in found.get_values_for_type(x509.IPAddress))
    return (*found.get_values_for_type(x509.DNSName), *addresses)


def _weakness(
    asset: Asset,
    rule: str,
    severity: Severity,
    title: Text,
    reason: Text,
    mend: Text,
    clauses: tuple[str, ...],
    *place: str,
) -> Weakness:
    return Weakness(
        weakness_class=WeaknessClass.TLS,
        rule=f"tls.{rule}",
        locator=(*origin_place(asset.url), *place),
        severity=severity,
        title=title,
        reason=reason,
        mend=mend,
        clauses=clauses,
    )


_RENEW = Text("申请并部署新证书。", "Obtain and install a new certificate.")
_IN_TRANSIT = ("8.1.2.2 b", "8.1.4.8 a")


def _absent(asset: Asset) -> Weakness:
    return _weakness(
        asset,
        "absent",
        Severity.MEDIUM,
        Text("网站未加密传输", "the site is served without encryption"),
        Text(
            f"{asset.url} 使用明文 HTTP,内容可被窃听和篡改。",
            f"{asset.url} is plain HTTP: it can be read and altered on its way.",
        ),
        Text("启用 HTTPS,并把 HTTP 重定向到 HTTPS。", "Serve it over HTTPS and redirect HTTP there."),
        _IN_TRANSIT,
    )


def _dates(asset: Asset, leaf: Certificate, moment: datetime) -> Iterable[Weakness]:
    ends, begins = from_text(leaf.not_after), from_text(leaf.not_before)
    day = leaf.not_after[:10]
    if moment >= ends:
        title = Text("证书已过期", "the certificate has expired")
        reason = Text(f"证书于 {day} 到期。", f"It ended on {day}.")
        yield _weakness(asset, "expired", Severity.HIGH, title, reason, _RENEW, _IN_TRANSIT)
    elif moment + _EXPIRES_SOON >= ends:
        title = Text("证书即将到期", "the certificate expires soon")
        reason = Text(f"证书将于 {day} 到期,剩余不足 30 天。", f"It ends on {day}, in less than 30 days.")
        yield _weakness(asset, "expiring", Severity.MEDIUM, title, reason, _RENEW, _IN_TRANSIT)
    if moment < begins:
        title = Text("证书尚未生效", "the certificate is not valid yet")
        reason = Text(f"证书自 {leaf.not_before[:10]} 起生效。", f"It begins on {leaf.not_before[:10]}.")
        yield _weakness(asset, "not-yet-valid", Severity.HIGH, title, reason, _RENEW, _IN_TRANSIT)


def _name(asset: Asset, leaf: Certificate) -> Iterable[Weakness]:
    host = (urlsplit(asset.url).hostname or "").lower()
    if any(_covers(name.lower(), host) for name in leaf.names):
        return
    names = ", ".join(leaf.names[:8])
    yield _weakness(
        asset,
        "name-mismatch",
        Severity.HIGH,
        Text("证书与域名不符", "the certificate is for another name"),
        Text(f"证书适用于 {names or '(无)'},不含 {host}。", f"It is for {names or '(none)'}, not for {host}."),
        Text("部署包含该域名的证书。", "Install a certificate that names this host."),
        _IN_TRANSIT,
    )


def _covers(name: str, host: str) -> bool:
    """Whether a name of a certificate stands for the host; a star stands for exactly one label."""
    try:
        return ip_address(name) == ip_address(host)
    except ValueError:
        pass
    if not name.startswith("*."):
        return name == host
    return host.partition(".")[2] == name[2:] and bool(host.partition(".")[0])


def _trust(asset: Asset, observed: Handshake) -> Iterable[Weakness]:
    code = observed.distrust_code
    if not code or code in _DATE_CODES:
        return
    own = code in _SELF_SIGNED_CODES
    issuer = observed.chain[-1].issuer[:200]
    yield _weakness(
        asset,
        "untrusted",
        Severity.HIGH,
        Text("自签名证书", "the certificate is self-signed")
        if own
        else Text("证书不受信任", "the certificate is not trusted"),
        Text(
            f"信任链验证失败:{observed.distrust};签发者 {issuer}。",
            f"The chain fails: {observed.distrust}; issuer {issuer}.",
        ),
        Text(
            "改用受信任机构签发的证书;内部机构的根证书可在扫描设置中登记。",
            "Use a certificate of a trusted authority; an internal authority can be named in the settings of the scan.",
        ),
        _IN_TRANSIT,
    )


def _strength(asset: Asset, chain: tuple[Certificate, ...]) -> Iterable[Weakness]:
    leaf = chain[0]
    least = _SMALLEST_KEY.get(leaf.key, 0)
    if leaf.key_bits < least:
        title = Text("证书密钥过弱", "the key of the certificate is weak")
        reason = Text(
            f"{leaf.key} {leaf.key_bits} 位,应不少于 {least} 位。",
            f"It is {leaf.key} of {leaf.key_bits} bits; it should have {least} at least.",
        )
        yield _weakness(asset, "weak-key", Severity.HIGH, title, reason, _RENEW, _IN_TRANSIT)
    # Nobody checks the signature of a root on itself.
    signed = [one for one in chain if one is leaf or one.subject != one.issuer]
    broken = next((one for one in signed if one.signature_hash in _BROKEN_HASHES), None)
    if broken:
        title = Text("证书签名算法过弱", "the certificate is signed with a broken hash")
        reason = Text(
            f"{broken.subject[:120]} 使用 {broken.signature_hash.upper()} 签名。",
            f"{broken.subject[:120]} is signed with {broken.signature_hash.upper()}.",
        )
        yield _weakness(asset, "weak-signature", Severity.HIGH, title, reason, _RENEW, ("8.1.4.7 a",))


def _protocols(asset: Asset, accepted: tuple[str, ...]) -> Iterable[Weakness]:
    for version in _OLD:
        if version not in accepted:
            continue
        yield _weakness(
            asset,
            "old-protocol",
            Severity.MEDIUM,
            Text(f"仍接受 {version}", f"{version} is still accepted"),
            Text(f"使用 {version} 握手成功。", f"A handshake with {version} succeeded."),
            Text("只启用 TLS 1.2 和 TLS 1.3。", "Allow TLS 1.2 and TLS 1.3 only."),
            _IN_TRANSIT,
            version,
        )


TLS = Tls()
