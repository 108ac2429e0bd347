"""Keys are made once, kept close, and refused when others may touch them."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from secops.evidence.keys import fingerprint, load_private_key, load_public_key, make_key, public_pem
from secops.evidence.new_file import AlreadyThere
from secops.support.errors import BadInput


def test_a_key_comes_back_from_its_files(tmp_path: Path) -> None:
    private, public = tmp_path / "keys" / "a.pem", tmp_path / "keys" / "a.pub.pem"
    key = make_key(private, public)
    assert private.stat().st_mode & 0o777 == 0o600
    assert public.stat().st_mode & 0o777 == 0o644
    assert private.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert public.read_text() == public_pem(key.public_key())
    assert load_private_key(private).private_bytes_raw() == key.private_bytes_raw()
    load_public_key(public).verify(key.sign(b"words"), b"words")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    private, public = tmp_path / "a.pem", tmp_path / "a.pub.pem"
    make_key(private, public)
    before = private.read_bytes()
    with pytest.raises(AlreadyThere):
        make_key(private, public)
    assert private.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o601, 0o644, 0o777])
def test_a_private_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    make_key(tmp_path / "a.pem", tmp_path / "a.pub.pem")
    (tmp_path / "a.pem").chmod(mode)
    with pytest.raises(BadInput, match=f"mode {mode:04o}.*chmod 600"):
        load_private_key(tmp_path / "a.pem")
    (tmp_path / "a.pem").chmod(0o400)
    load_private_key(tmp_path / "a.pem")


def test_what_is_not_an_ed25519_key_is_refused(tmp_path: Path) -> None:
    make_key(tmp_path / "a.pem", tmp_path / "a.pub.pem")
    other = ec.generate_private_key(ec.SECP256R1())
    contents = {
        "empty": b"",
        "rubbish": b"\x00\xff" * 50,
        "ec": other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "ec.pub": other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "private": (tmp_path / "a.pem").read_bytes(),
        "public": (tmp_path / "a.pub.pem").read_bytes(),
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content)
        path.chmod(0o600)
        if name != "private":
            with pytest.raises(BadInput, match="not an Ed25519 private key"):
                load_private_key(path)
        if name != "public":
            with pytest.raises(BadInput, match="not an Ed25519 public key"):
                load_public_key(path)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    for load in (load_private_key, load_public_key):
        with pytest.raises(BadInput, match=r"gone\.pem cannot be read: No such file"):
            load(tmp_path / "gone.pem")


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_openssl_prints_the_same_fingerprint(key_folder: Path, tmp_path: Path) -> None:
    der = tmp_path / "key.der"
    argv = ["openssl", "pkey", "-pubin", "-in", str(key_folder / "public.pem"), "-outform", "DER", "-out", str(der)]
    subprocess.run(argv, check=True, timeout=280)
    printed = subprocess.run(["sha256sum", str(der)], check=True, capture_output=True, text=True, timeout=280).stdout
    assert printed.split()[0] == fingerprint(load_public_key(key_folder / "public.pem"))
