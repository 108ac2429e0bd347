"""The part `store:` of the settings: where findings are kept, and for how long what comes with them."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from secops.model.text import Text
from secops.store.elasticsearch_access import Access
from secops.store.elasticsearch_retention import Full, Keep
from secops.store.outbox import QUOTA_BYTES
from secops.support.durations import parse_duration
from secops.support.errors import BadInput
from secops.support.misfits import BadValue

_STRICT = {"extra": "forbid", "use_attribute_docstrings": True}
_PREFIX = re.compile(r"[a-z][a-z0-9-]{0,60}")
_REFERENCE = re.compile(r"\$\{(env|file):[^}\s]+\}")
_FINGERPRINT = re.compile(r"(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")
_DAY_SECONDS = 86_400
_Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "examples": ["180d"]}),
]


@dataclass(frozen=True, slots=True)
class KeepSettings:
    """For how long Elasticsearch keeps what is only appended; findings, acceptances and baselines are kept for ever."""

    __pydantic_config__ = _STRICT
    observations: _Duration = 180.0 * _DAY_SECONDS
    """What was observed; the newest observation of each place is kept for ever."""
    coverage: _Duration = 400.0 * _DAY_SECONDS
    """How each evaluation ended."""
    events: _Duration = 1095.0 * _DAY_SECONDS
    """The history of findings."""
    audit: _Duration = 400.0 * _DAY_SECONDS
    """Who did what; at least 180d."""
    new_index_after: _Duration = 30.0 * _DAY_SECONDS
    """How long one index is written; whole indices are forgotten."""

    def __post_init__(self) -> None:
        try:
            self.keep()
        except BadInput as error:
            raise BadValue(error.text) from None

    def keep(self) -> Keep:
        """As the store wants it. Raises BadInput for less audit than the law wants."""
        return Keep(
            observations=timedelta(seconds=self.observations),
            coverage=timedelta(seconds=self.coverage),
            events=timedelta(seconds=self.events),
            audit=timedelta(seconds=self.audit),
            full=Full(age=timedelta(seconds=self.new_index_after)),
        )


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where findings are kept."""

    __pydantic_config__ = _STRICT
    kind: Literal["sqlite", "elasticsearch"] = "sqlite"
    """`sqlite`: one file in the state folder."""
    urls: tuple[str, ...] = ()
    """Nodes of Elasticsearch 8 or 9, each with its port, e.g. `https://search.example:9200`."""
    prefix: str = "jindun"
    """Begins the name of every index."""
    ca_file: str = ""
    """PEM file of the authority that signed the server's certificate; empty: those that the system trusts."""
    fingerprint: str = ""
    """SHA-256 of the server's certificate or its authority, hexadecimal, in place of `ca_file`."""
    api_key: str = ""
    """Secret reference; the key as Elasticsearch gives it out in `encoded`."""
    user: str = ""
    """In place of an API key."""
    password: str = ""
    """Secret reference."""
    insecure: bool = False
    """Take a certificate of unknown origin, or an unencrypted connection to another machine: a finding of its own."""
    outbox_bytes: Annotated[int, Field(gt=0)] = QUOTA_BYTES
    """Room for what waits for Elasticsearch; beyond it observations are dropped, the oldest first, findings never."""
    keep: KeepSettings = field(default_factory=KeepSettings)

    def __post_init__(self) -> None:
        if self.kind == "elasticsearch":
            _require_addresses(self.urls, self.insecure)
        if not _PREFIX.fullmatch(self.prefix):
            raise BadValue(
                Text(
                    f"“{self.prefix}”不能作索引名的前缀:只用小写字母、数字和连字符,以字母开头",
                    f"“{self.prefix}” cannot begin the name of an index: lower-case letters, digits and hyphens, "
                    "a letter first",
                )
            )
        if self.fingerprint and not _FINGERPRINT.fullmatch(self.fingerprint):
            raise BadValue(
                Text("fingerprint 须为 64 位十六进制的 SHA-256", "fingerprint is a SHA-256: 64 hexadecimal digits")
            )
        _require_references(self)
        _require_one_way(self)


def _require_addresses(urls: tuple[str, ...], insecure: bool) -> None:
    if not urls:
        raise BadValue(
            Text(
                "kind: elasticsearch 须写明 urls,例:[https://search.example:9200]",
                "kind: elasticsearch needs its urls, like [https://search.example:9200]",
            )
        )
    try:
        Access(urls, insecure=insecure)
    except BadInput as error:
        raise BadValue(error.text) from None


def _require_references(wanted: StoreSettings) -> None:
    for name, secret in (("api_key", wanted.api_key), ("password", wanted.password)):
        if secret and not _REFERENCE.fullmatch(secret):
            raise BadValue(
                Text(
                    f"{name} 须是密钥引用,例:${{file:keys/elasticsearch}}",
                    f"{name} is written as a secret reference, like ${{file:keys/elasticsearch}}",
                )
            )


def _require_one_way(wanted: StoreSettings) -> None:
    if wanted.api_key and (wanted.user or wanted.password):
        raise BadValue(Text("api_key 与 user/password 只能选一种", "api_key or user and password, not both"))
    if bool(wanted.user) != bool(wanted.password):
        raise BadValue(Text("user 与 password 须同时写明", "user and password go together"))
    if wanted.ca_file and wanted.fingerprint:
        raise BadValue(Text("ca_file 与 fingerprint 只能选一种", "ca_file or fingerprint, not both"))
    if wanted.insecure and (wanted.ca_file or wanted.fingerprint):
        raise BadValue(
            Text(
                "insecure: true 时不会核对 ca_file 与 fingerprint,请去掉其一",
                "with insecure: true neither ca_file nor fingerprint is looked at; drop one of them",
            )
        )
