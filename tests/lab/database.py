"""What the contract suite of database engines needs of a product: a running server with notes in it.

One file per product in `databases/` defines a `DatabaseLab`; the suite finds it, and the engines for its product.
"""

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from backup.engine import Keys
from secops.model.city import Product, Vault


class RunningDatabase(ABC):
    """A running server that keeps notes: short texts without quotes."""

    path: str = ""
    """The asset's, for products that are one file or folder."""
    address: str = ""
    """The asset's."""
    secrets: tuple[str, ...] = ()
    """What must be seen nowhere; the options refer to the first as `${file:login}`."""

    @abstractmethod
    def write(self, note: str) -> None:
        """It is committed on return."""

    @abstractmethod
    def notes(self) -> set[str]:
        """All that were written."""

    @abstractmethod
    def notes_in(self, folder: Path) -> set[str]:
        """What a server says that is started from a folder that was restored and made ready; it is stopped again."""

    def duplicate(self, folder: Path, to: Path) -> None:
        """A second one of what was restored into a folder."""
        subprocess.run(["cp", "-a", str(folder), str(to)], check=True)

    def options(self, engine: str) -> Mapping[str, str | tuple[str, ...]]:
        """What the asset tells that engine."""
        return {}

    def tried_with(self) -> Mapping[str, str]:
        """What the asset tells the trial: a question whose answer holds the note `wanted`, and a canary."""
        return {}

    def canary_options(self) -> Mapping[str, str]:
        """What the asset tells the writer of canaries."""
        return {}

    def away_options(self) -> Mapping[str, str]:
        """The same of a server that is not there."""
        return {**self.canary_options(), "socket": "/nowhere"}

    def attach(self, engine: str, vault: Vault, keys: Keys, asset: str) -> None:  # noqa: B027
        """What an administrator does on the server before that engine can work; most need nothing."""


@dataclass(frozen=True)
class DatabaseLab(ABC):
    """One product."""

    name: str
    product: Product
    needs: tuple[str, ...]
    """Programs that the server and its client are."""
    told: tuple[str, ...] = ()
    """The engines for any product that `options` tells how to copy this one."""

    @abstractmethod
    def running(self) -> AbstractContextManager[RunningDatabase]:
        """Keep a server running in a folder of its own, as an unprivileged user."""
