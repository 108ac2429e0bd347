"""Vaults: who may use one and how much of it, when it may fetch, and what the `authorized_keys` of one over ssh must say
so that a source can add copies and take none away."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, time

from secops.model.city import Asset, Tenant, Vault
from secops.model.text import Text
from secops.support.errors import BadInput

_PUBLIC_KEY = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}(?: [^\x00-\x1f\x7f]*)?")
_QUOTA = re.compile(r"\d+[KMGT]?")


_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}


def bytes_of(size: str) -> int:
    """The bytes of a size like `500G`; 0 for none."""
    return int(size.rstrip("KMGT")) * _UNITS[size.lstrip("0123456789")] if size else 0


def tenancy(vault: Vault, unit: str) -> Tenant | None:
    """On which terms the unit may use the vault; None when it may not."""
    if not vault.tenants:
        return Tenant(unit)
    return next((tenant for tenant in vault.tenants if tenant.unit == unit), None)


def refusal(vault: Vault, unit: str, used_bytes: int, more_bytes: int) -> Text | None:
    """Why the unit may not add about `more_bytes` to the vault in which it takes `used_bytes`; None: it may."""
    tenant = tenancy(vault, unit)
    if tenant is None:
        return Text(f"备份库 {vault.id} 不接受单位 {unit} 的备份", f"vault {vault.id} takes no copies of unit {unit}")
    quota = bytes_of(tenant.quota)
    if not quota or used_bytes + more_bytes <= quota:
        return None
    return Text(
        f"单位 {unit} 在备份库 {vault.id} 已用 {used_bytes} 字节,再加约 {more_bytes} 字节将超过配额 {tenant.quota}",
        f"unit {unit} takes {used_bytes} bytes of vault {vault.id}; about {more_bytes} more would pass its quota of "
        f"{tenant.quota}",
    )


def closed(vault: Vault, moment: datetime) -> Text | None:
    """Why no copy goes into the vault at that moment, in local time; None: one may."""
    clock = moment.astimezone().time()
    if not vault.line.windows or any(_within(window, clock) for window in vault.line.windows):
        return None
    listed = ", ".join(vault.line.windows)
    return Text(
        f"现在 {clock:%H:%M} 不在备份库 {vault.id} 的传输时段 {listed} 内",
        f"{clock:%H:%M} is outside the hours of vault {vault.id}: {listed}",
    )


def visible(vaults: Iterable[Vault], unit: str) -> tuple[Vault, ...]:
    """The vaults that the unit may use."""
    return tuple(vault for vault in vaults if tenancy(vault, unit))


def _within(window: str, clock: time) -> bool:
    """A window may go over midnight; its end does not belong to it."""
    start, end = map(time.fromisoformat, window.split("-"))
    return start <= clock < end if start < end else clock >= start or clock < end


def beside(source: Asset, vault: Vault) -> tuple[Asset, Vault]:
    """Source and vault as the host that keeps the vault has them: what the source's host says may be a lie."""
    if not vault.host or not vault.directory:
        return source, vault
    return replace(source, host=vault.host), replace(vault, location=vault.directory)


def append_only_line(public_key: str, directory: str, quota: str = "") -> str:
    """The line of `authorized_keys` by which `public_key` may only add to the borg repositories below `directory`.

    The vault's borg then refuses to destroy a repository; a copy that a source "deletes" is only marked, its data
    stays and can be brought back on the vault's side. `quota` is a size per repository, like `500G`. Raises BadInput.
    """
    key = public_key.strip()
    if not _PUBLIC_KEY.fullmatch(key):
        raise BadInput(Text("这不是 OpenSSH 公钥", "this is not an OpenSSH public key"))
    if not directory.startswith("/") or not directory.isprintable():
        raise BadInput(Text(f"备份库目录须为绝对路径:{directory!r}", f"a vault needs an absolute path: {directory!r}"))
    if quota and not _QUOTA.fullmatch(quota):
        raise BadInput(Text(f"配额须形如 500G:{quota!r}", f"a quota looks like 500G: {quota!r}"))
    command = ["borg", "serve", "--append-only", "--restrict-to-path", directory]
    command += ["--storage-quota", quota] if quota else []
    # sshd hands the command to the user's shell, and knows one escape in its own file: `\"`.
    quoted = shlex.join(command).replace('"', '\\"')
    return f'command="{quoted}",restrict {key}'
