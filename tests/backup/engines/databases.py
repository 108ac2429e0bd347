"""A shelf whose source is a database, and the way from it into a vault and back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from backup.comparison import compare
from backup.copying import Copy, take_copy
from backup.engine import engine_for
from backup.listing import take_manifest
from secops.model.city import Asset, AssetKind, CopiedBy, Product
from secops.model.step import LOCAL
from secops.model.text import Text
from secops.support.clock import now
from tests.backup.performing import Performing
from tests.backup.shelf import Shelf, make_shelf


@dataclass(frozen=True)
class Bench:
    """One database, its vault, and who performs."""

    shelf: Shelf
    performing: Performing

    @property
    def source(self) -> Asset:
        return self.shelf.source

    def copy(self, taken: datetime | None = None) -> Copy:
        """A new copy, as of now."""
        engine = engine_for(self.source)
        procedure = take_copy(engine, self.source, self.shelf.vault, self.shelf.keys, taken or now())
        return self.performing.run(procedure)

    def restore(self, copied: Copy, into: Path, until: datetime | None = None) -> None:
        """Bring the copy back, compare it with its manifest and make it ready."""
        engine, shelf = engine_for(self.source), self.shelf
        self.performing.run(engine.restore(self.source, copied.point, shelf.vault, shelf.keys, LOCAL, str(into), until))
        assert compare(copied.manifest, self.performing.run(take_manifest(LOCAL, str(into), "list"))) == ()
        self.performing.run(engine.make_ready(self.source, LOCAL, str(into), until))


def make_bench(
    folder: Path, performing: Performing, product: Product, options: Mapping[str, str] | None = None, path: str = ""
) -> Bench:
    """A bench below `folder` for a database of that product; secrets are files in `folder`."""
    shelf = make_shelf(folder)
    copied_by = CopiedBy(product.value, options) if options else None
    source = Asset(
        "db",
        AssetKind.DATABASE,
        Text("数据库", "database"),
        "c1",
        host=LOCAL,
        path=path,
        product=product,
        copied_by=copied_by,
    )
    return Bench(replace(shelf, source=source), performing)


def write_secret(folder: Path, name: str, secret: str) -> str:
    """Keep a secret in `folder`; the reference to it."""
    (folder / name).write_text(secret)
    (folder / name).chmod(0o600)
    return f"${{file:{name}}}"
