"""Vaults over ssh: what their `authorized_keys` must say so that a source can add copies and take none away."""

import re
import shlex

from secops.model.text import Text
from secops.support.errors import BadInput

_PUBLIC_KEY = re.compile(r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}(?: [^\x00-\x1f\x7f]*)?")
_QUOTA = re.compile(r"\d+[KMGT]?")


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
