"""A new home: settings that explain themselves, the sample city to start from, keys of its own."""

import secrets
from importlib import resources
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from secops.evidence.keys import PRIVATE_KEY_NAME, PUBLIC_KEY_NAME, make_key
from secops.model.text import Text
from secops.service.home import FILE
from secops.support.errors import BadInput
from secops.support.system_words import why

_SETTINGS = """\
# 津盾的设置。路径相对于本目录。 Settings of Jindun; paths are relative to this folder.
# 字段说明 / the fields: secops schema settings

inventory: inventory.yaml   # 城市清单 / the city

ssh:
  identity: keys/ssh              # 登录各主机用的私钥 / private key for the hosts
  known_hosts: keys/known_hosts   # 固定的主机公钥,不在其中的主机一律拒绝 / pinned host keys; all others are refused

backup:
  passphrase: "${file:keys/vault}"   # 备份库口令的引用 / reference to the vaults' passphrase

scope:
  # 未写明批准人之前不扫描任何目标。 Nothing is scanned until somebody is named here.
  approved_by: ""
  networks: []            # 例 / e.g. [10.1.0.0/16]
  expires: "9999-12-31"   # 授权截止日 / last day of the authorisation
  # 还可限定 / may be narrowed: hosts, ports, paths, methods, windows
  # paths: [/portal]        # 网站只扫描这些路径之下 / of web sites, only what lies below
  # methods: [GET, HEAD]    # 只用这些请求方法 / only these methods of HTTP
  # windows:                # 只在这些时段发送 / nothing is sent at other hours
  #   - {begins: "22:00", ends: "06:00", days: [mon, tue, wed, thu, fri], zone: Asia/Shanghai}

limits:
  total: 64        # 同时进行的检查 / evaluations at once
  per_target: 4    # 每个目标 / per target

playbooks: []      # 自己的剧本目录 / folders with playbooks of your own

schedule: []
# - id: nightly
#   playbook: backup-by-tier
#   cron: "30 2 * * *"
#   inputs: {asset: …, place: …}
"""


def make_home(folder: Path) -> None:
    """Make a home in a new or empty folder. Raises BadInput when something is there already, or none can be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        taken = any(folder.iterdir())
    except OSError as error:
        raise BadInput(
            Text(f"无法建立目录 {folder}:{why(error).zh}", f"{folder} cannot be made: {why(error).en}")
        ) from None
    if taken:
        raise BadInput(Text(f"{folder} 不是空目录,未作改动", f"{folder} is not empty; nothing was changed"))
    (folder / FILE).write_text(_SETTINGS, encoding="utf-8")
    sample = resources.files("secops.inventory") / "sample_city.yaml"
    (folder / "inventory.yaml").write_text(sample.read_text(encoding="utf-8"), encoding="utf-8")
    make_keys(folder / "keys")


def make_keys(folder: Path) -> None:
    """Keys of this home alone: for evidence, for ssh, and the passphrase of the vaults."""
    folder.mkdir(exist_ok=True, mode=0o700)
    make_key(folder / PRIVATE_KEY_NAME, folder / PUBLIC_KEY_NAME)
    identity = Ed25519PrivateKey.generate()
    private = identity.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = identity.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    _write_secret(folder / "ssh", private)
    (folder / "ssh.pub").write_bytes(public + b" jindun\n")
    _write_secret(folder / "vault", secrets.token_urlsafe(32).encode() + b"\n")
    (folder / "known_hosts").touch(mode=0o600)


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(content)
