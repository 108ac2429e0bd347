"""Where an Elasticsearch server is and how it is trusted. What could be listened to is refused unless asked for."""

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from secops.model.text import Text
from secops.support.errors import BadInput


@dataclass(frozen=True, slots=True)
class Access:
    """One cluster. Raises BadInput for addresses that are none, and for connections that could be listened to."""

    urls: tuple[str, ...]
    """Of one or several of its nodes; another one is asked when one does not answer."""
    ca_file: str = ""
    """PEM file of the authorities to trust in place of the system's."""
    fingerprint: str = ""
    """SHA-256 of the server's certificate or of an authority in its chain, hexadecimal."""
    api_key: str = field(default="", repr=False)
    """As Elasticsearch gives it out in `encoded`."""
    user: str = ""
    password: str = field(default="", repr=False)
    insecure: bool = False
    """Whether an unencrypted connection to another machine, or a certificate of unknown origin, is taken."""
    patience_seconds: float = 30.0
    """How long one request may take."""

    def __post_init__(self) -> None:
        if not self.urls:
            raise _no_address()
        for url in self.urls:
            host = _host_of(url)
            if not (self.insecure or url.startswith("https:") or _is_loopback(host)):
                raise BadInput(
                    Text(
                        f"{url} 未加密,路上任何人都能读改;请使用 https,或在 store 下写明 insecure: true",
                        f"{url} is not encrypted, anybody on the way could read and alter it; "
                        "use https, or write insecure: true under store",
                    )
                )

    @property
    def name(self) -> str:
        """For sentences."""
        return ", ".join(self.urls)

    @property
    def encrypted(self) -> bool:
        """Whether any node is spoken to over TLS."""
        return any(url.startswith("https:") for url in self.urls)

    def trust(self) -> ssl.SSLContext:
        """The authorities that are trusted. Raises BadInput when their file cannot be used."""
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise BadInput(
                Text(
                    f"证书颁发机构文件 {self.ca_file} 无法使用:{error}",
                    f"the certificate authority in {self.ca_file} cannot be used: {error}",
                )
            ) from error


def _host_of(url: str) -> str:
    try:
        address = urlsplit(url)
        complete = address.scheme in ("http", "https") and address.port and not address.username
    except ValueError:
        raise _no_address() from None
    if not complete or not address.hostname:
        raise _no_address()
    return address.hostname


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _no_address() -> BadInput:
    return BadInput(
        Text(
            "Elasticsearch 的地址须形如 https://search.example:9200,不含用户名与密码",
            "the address of Elasticsearch is written like https://search.example:9200, without user and password",
        )
    )
