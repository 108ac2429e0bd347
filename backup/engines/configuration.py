"""The service itself: its settings, inventory and playbooks as they are, its keys as shares and never whole."""

import re
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, Field, model_validator

from backup.engine import EngineOptions, Keys, options_of
from backup.programs import refuse_missing
from backup.staging import Staged
from secops.model.city import Asset, AssetKind, Vault
from secops.model.step import LOCAL, Command, Procedure, ProcedureFailed, Step
from secops.model.text import Text

SHARE = "key.share"
"""The name of a vault's share within its copies."""
_SECONDS = 3600.0
_RELATIVE = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
_HOLDER = re.compile(r"\w[\w.-]{0,63}")


def _below(path: str) -> str:
    if not _RELATIVE.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError(f"{path!r} is no path below the folder")
    return path


def _named(holder: str) -> str:
    if not _HOLDER.fullmatch(holder):
        raise ValueError(f"{holder!r} is no name of a holder")
    return holder


Paths: TypeAlias = tuple[Annotated[str, AfterValidator(_below)], ...]


class ConfigurationOptions(EngineOptions):
    """What of the folder is secret, and who holds a share of that.

    Whoever opens a vault needs its passphrase first, which is one of the keys: as many holders as are needed must be
    people, and what lies in vaults is for the other keys.
    """

    keys: Paths = ("keys",)
    """Files and folders that no copy holds whole."""
    leave: Paths = ("state",)
    """What is not copied at all: records are copied as what they are, databases and trees."""
    holders: tuple[Annotated[str, AfterValidator(_named)], ...] = ()
    """Names of people, and ids of vaults whose copies hold the share of that name; none: no copy holds anything of the
    keys. The order tells which share is whose, and must not change."""
    needed: int = Field(default=2, ge=2)
    """How many shares rebuild the keys."""

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.holders and len(set(self.holders)) != len(self.holders):
            raise ValueError("a holder is named twice")
        if self.holders and len(self.holders) < self.needed:
            raise ValueError(f"{self.needed} shares are needed, and there are {len(self.holders)} holders")
        return self


class Configuration(Staged):
    """Copies the folder of the service on its own machine."""

    name = "configuration"
    describes = Text(
        "备份本服务自身的配置;密钥只以份额(n 份中任意 k 份可恢复)进入备份",
        "copies the service's own configuration; its keys only as shares, of which any k of n rebuild them",
    )
    kinds = frozenset({AssetKind.FILE_TREE})
    needs = ("rsync", "borg", "env", "find", "mkdir")
    options = ConfigurationOptions

    def stage(self, source: Asset, keys: Keys, folder: str, taken: datetime) -> Procedure[None]:
        chosen = options_of(ConfigurationOptions, source)
        left = [f"--exclude=/{path}" for path in (*chosen.keys, *chosen.leave)]
        words = ("env", "LC_ALL=C", "rsync", "-aHAX", "--delete", *left, "--", f"{source.path}/", f"{folder}/")
        yield from _do("copy the configuration", source, words)

    def stage_for(self, vault: Vault, source: Asset, keys: Keys, folder: str, taken: datetime) -> Procedure[None]:
        """With the share that is this vault's to keep."""
        yield from self.stage(source, keys, folder, taken)
        chosen = options_of(ConfigurationOptions, source)
        if vault.id in chosen.holders:
            yield from _do(
                "add this vault's share of the keys", source, _sharing(source, keys, chosen, vault.id, folder)
            )


configuration = Configuration()


def _sharing(source: Asset, keys: Keys, chosen: ConfigurationOptions, holder: str, folder: str) -> tuple[str, ...]:
    if source.host != LOCAL:
        raise ProcedureFailed(
            f"{source.id} 的密钥只能在本服务的机器上拆分",
            f"the keys of {source.id} are split on the service's own machine only",
        )
    program = (sys.executable, "-m", "backup.key_shares", source.path, f"{keys.state_directory}/escrow.seed")
    return (*program, f"{folder}/{SHARE}", holder, str(chosen.needed), ",".join(chosen.holders), *chosen.keys)


def _do(name: str, source: Asset, words: Sequence[str]) -> Procedure[None]:
    done = yield Step(name, Command(source.host, tuple(words)), changes=True, timeout_seconds=_SECONDS)
    if done.ok:
        return
    refuse_missing(done, source.host, "rsync", "rsync")
    # What came first is the cause; rsync ends with a summary.
    said = (done.error_output.strip().splitlines() or [done.reason])[0]
    raise ProcedureFailed(f"备份 {source.id} 失败:{said}", f"copying {source.id} failed: {said}")
