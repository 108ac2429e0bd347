"""The contract of canary rows: small signed records that the service writes into what is copied, at a steady rhythm.

Each says when it was written, which one it is, and that it is ours. What a restored copy holds of them measures what a
recovery from it would lose. One file per product in `backup/canaries/`, found by itself.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import ClassVar, TypeVar

from pydantic import ValidationError

import backup.canaries
from backup.engine import EngineOptions
from secops.model.city import Asset, AssetKind, Product
from secops.model.step import Procedure
from secops.model.text import Text
from secops.support.clock import from_text, to_text
from secops.support.errors import BadInput
from secops.support.plugins import plugins_in

KEPT = 1000
"""Canaries that a database keeps; older ones are dropped with each that is written."""
LOOKED_AT = 200
"""Canaries that are read, the newest first."""
TABLE = "jindun_canary"
_LINE = re.compile(r"(\d{1,18}) (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([0-9a-f]{128})")


@dataclass(frozen=True, slots=True)
class Canary:
    """One record. `moment` is the service's clock just before it was written."""

    asset: str
    counter: int
    """From 1, in the order of writing."""
    moment: datetime
    signature: str
    """Of `signed_text`, by the key that seals evidence, in hexadecimal."""

    @property
    def line(self) -> str:
        """As it stands in the asset: nothing in it needs quoting anywhere."""
        return f"{self.counter} {to_text(self.moment)} {self.signature}"


SAMPLE = Canary("sample", 1, datetime(2026, 1, 1, tzinfo=UTC), "0" * 128)


def signed_text(asset: str, counter: int, moment: datetime) -> str:
    """What the signature is of; a canary of one asset is none of another."""
    return f"jindun-canary-1 {asset} {counter} {to_text(moment)}"


def canaries_in(told: str, asset: str) -> tuple[Canary, ...]:
    """Those in what a product has answered, each once, the newest first; anything else in it is passed over."""
    found = (_LINE.fullmatch(line.strip()) for line in told.splitlines())
    read = {each[0]: Canary(asset, int(each[1]), from_text(each[2]), each[3]) for each in found if each}
    return tuple(sorted(read.values(), key=lambda one: -one.counter)[:LOOKED_AT])


class CanaryWriter(ABC):
    """How canaries get into one product, and out of it. Procedures may be run again from their start."""

    name: ClassVar[str]
    describes: ClassVar[Text]
    kind: ClassVar[AssetKind]
    product: ClassVar[Product | None] = None
    needs: ClassVar[tuple[str, ...]]
    """Programs that must be on the host."""
    options: ClassVar[type[EngineOptions]] = EngineOptions
    question: ClassVar[str] = ""
    """What the trial of a restored copy is asked: the newest canaries, one to a line."""

    @abstractmethod
    def write(self, asset: Asset, canary: Canary) -> Procedure[None]:
        """Write it; it is committed on return. The place for canaries is made when there is none."""

    @abstractmethod
    def read(self, asset: Asset) -> Procedure[str]:
        """The newest canaries, one to a line, of the running product: of a replica above all."""


def writer_for(asset: Asset) -> CanaryWriter:
    """The writer for its kind and product. Raises BadInput."""
    for writer in writers().values():
        if (writer.kind, writer.product) == (asset.kind, asset.product):
            return writer
    known = ", ".join(writers())
    raise BadInput(
        Text(
            f"资产 {asset.id} 不能写入探针记录;可写入的有:{known}",
            f"no canaries can be written into asset {asset.id}; there are writers for {known}",
        )
    )


@cache
def writers() -> Mapping[str, CanaryWriter]:
    """Every writer there is, by name."""
    return plugins_in(backup.canaries, CanaryWriter)


Options = TypeVar("Options", bound=EngineOptions)


def canary_options(model: type[Options], asset: Asset) -> Options:
    """What the asset tells its writer. Raises BadInput."""
    try:
        return model.model_validate(dict(asset.canary.options) if asset.canary else {})
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInput(
            Text(
                f"资产 {asset.id} 的探针选项 canary.options.{where} 有误:{first['msg']}",
                f"the option canary.options.{where} of asset {asset.id} is wrong: {first['msg']}",
            )
        ) from wrong
