"""Keys of the service in split escrow: shares handed out to people, checked, and joined when the keys are lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backup.engine import options_of
from backup.engines.configuration import ConfigurationOptions
from backup.key_shares import bundle, keys_in, shares_of, write_keys
from backup.share_files import Given, joined, read_shares, require_one_set
from secops.evidence.new_file import new_file
from secops.model.text import Text
from secops.service.home import Home
from secops.support.errors import BadInput

_SEED = "escrow.seed"


@dataclass(frozen=True, slots=True)
class Plan:
    """Whose shares of what are made, and from which seed."""

    folder: Path
    keys: tuple[str, ...]
    needed: int
    holders: tuple[str, ...]
    seed: Path


@dataclass(frozen=True, slots=True)
class Checked:
    """What the shares that were handed in are good for."""

    given: tuple[Given, ...]
    needed: int
    enough: bool
    keys: tuple[str, ...] = ()
    """Paths of what they rebuild; empty unless there are enough."""
    same: bool | None = None
    """Whether that is what the keys are now; None: there are none here to compare with, or shares are too few."""

    @property
    def missing(self) -> int:
        """How many more are needed."""
        return max(0, self.needed - len({one.share.number for one in self.given}))


def plan_for(home: Home, asset: str, needed: int, holders: Sequence[str]) -> Plan:
    """As the configuration asset says, so that people's shares fit those in vaults; else as told, of the home's keys.

    Raises BadInput.
    """
    if not asset:
        keys = home.path(home.settings.keys)
        return Plan(keys.parent, (keys.name,), needed, tuple(holders), home.state / _SEED)
    source = home.inventory.asset(asset)
    if source.copied_by is None or source.copied_by.engine != "configuration":
        raise BadInput(
            Text(
                f"资产 {asset} 不由引擎 configuration 备份", f"asset {asset} is not copied by the engine configuration"
            )
        )
    told = options_of(ConfigurationOptions, source)
    seed = Path(home.vault_keys.state_directory) / _SEED
    return Plan(Path(source.path), told.keys, told.needed, told.holders, seed)


def hand_out(home: Home, plan: Plan, into: Path) -> Mapping[str, Path]:
    """Write the share of each person into a file of its own, for its holder alone; those of vaults go with copies.

    Raises BadInput, and AlreadyThere before anything is written.
    """
    if len(set(plan.holders)) != len(plan.holders) or not all(plan.holders):
        raise BadInput(Text("每名持有人须有不同的名字", "each holder needs a name of its own"))
    vaults = {vault.id for vault in home.inventory.city.vaults}
    people = [name for name in plan.holders if name not in vaults]
    files = {name: into / f"{name}.share" for name in people}
    if any("/" in name or name.startswith(".") for name in people):
        raise BadInput(Text("持有人的名字不能含 /", "the name of a holder cannot have a / in it"))
    for path in files.values():
        if path.exists():
            raise BadInput(Text(f"{path} 已存在,不会覆盖", f"{path} is already there and is not overwritten"))
    shares = shares_of(plan.folder, plan.keys, plan.needed, plan.holders, plan.seed)
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, path in files.items():
        with new_file(path) as file:
            file.write(_page(name, plan, shares[name].text).encode())
    return files


def check(home: Home | None, files: Sequence[Path]) -> Checked:
    """What the shares are good for; with a home also whether they are of its keys. Raises BadInput that names the bad
    ones."""
    given = read_shares(files)
    require_one_set(given)
    needed = given[0].share.needed
    if len({one.share.number for one in given}) < needed:
        return Checked(tuple(given), needed, enough=False)
    secret = joined(given)
    return Checked(tuple(given), needed, True, tuple(keys_in(secret)), _is_present(home, secret))


def rebuild(files: Sequence[Path], into: Path) -> list[str]:
    """Write the keys that the shares rebuild into a folder; what is there stays. Raises BadInput."""
    return write_keys(joined(read_shares(files)), into)


def _is_present(home: Home | None, secret: bytes) -> bool | None:
    """By the files that are in the shares: keys that were added since make the shares old too."""
    if home is None:
        return None
    root = home.path(home.settings.keys).parent
    tops = sorted({name.split("/")[0] for name in keys_in(secret)})
    present = [top for top in tops if (root / top).exists()]
    return bundle(root, present) == secret if present else None


def _page(name: str, plan: Plan, line: str) -> str:
    number, count = plan.holders.index(name) + 1, len(plan.holders)
    return (
        f"# 津盾密钥份额 / share of Jindun's keys: {name}, {number}/{count}\n"
        f"# 任意 {plan.needed} 份可恢复密钥,单独一份什么也不透露;请离线保管,不要放在一起。\n"
        f"# Any {plan.needed} rebuild the keys, one tells nothing; keep it offline, and apart from the others.\n"
        f"{line}\n"
    )
