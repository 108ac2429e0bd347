"""The Ed25519 keys that seal packs: made once, the private one readable by its owner alone."""

import hashlib
import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from secops.evidence.new_file import new_file
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.system_words import why

PRIVATE_KEY_NAME = "evidence.pem"
PUBLIC_KEY_NAME = "evidence.pub.pem"
"""What the two files are called in the key folder of a service."""

_LONGEST_KEY_FILE_BYTES = 16 * 1024


def make_key(private: Path, public: Path) -> Ed25519PrivateKey:
    """A new key in `private` (PEM PKCS#8, mode 0600) and its public half in `public` (PEM, readable by all).

    Raises AlreadyThere when either exists. The public file can be made again from the private one by `write_public`.
    """
    key = Ed25519PrivateKey.generate()
    with new_file(private) as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_public(key, public)
    return key


def write_public(key: Ed25519PrivateKey, public: Path) -> None:
    """The public half as PEM. Raises AlreadyThere."""
    with new_file(public, mode=0o644) as file:
        file.write(public_pem(key.public_key()).encode())


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Raises BadInput when it is missing, not an Ed25519 key, or others than its owner may touch it."""
    content, mode = _read(path)
    if mode & 0o077:
        text = Text(
            f"私钥 {path} 的权限为 {mode:04o},他人可访问;请执行 chmod 600",
            f"the private key {path} has mode {mode:04o} and others may touch it; run chmod 600 on it",
        )
        raise BadInput(text)
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _not_a_key(path, "私钥", "private") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key(path, "私钥", "private")
    return key


def load_public_key(path: Path) -> Ed25519PublicKey:
    """Raises BadInput when it is missing or not an Ed25519 public key."""
    content, _ = _read(path)
    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _not_a_key(path, "公钥", "public") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _not_a_key(path, "公钥", "public")
    return key


def public_pem(key: Ed25519PublicKey) -> str:
    """PEM SubjectPublicKeyInfo, as in the header of a pack."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def fingerprint(key: Ed25519PublicKey) -> str:
    """SHA-256 in hex of the DER form: what `openssl pkey -pubin -outform DER | sha256sum` prints."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _read(path: Path) -> tuple[bytes, int]:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            return file.read(_LONGEST_KEY_FILE_BYTES), mode
    except OSError as error:
        said = why(error)
        raise BadInput(Text(f"无法读取密钥 {path}:{said.zh}", f"the key {path} cannot be read: {said.en}")) from error


def _not_a_key(path: Path, zh: str, en: str) -> BadInput:
    return BadInput(Text(f"{path} 不是 PEM 格式的 Ed25519 {zh}", f"{path} is not an Ed25519 {en} key in PEM form"))
