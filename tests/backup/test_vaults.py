"""The line that lets a source add copies and take none away."""

import shlex

import pytest

from backup.vaults import append_only_line
from secops.support.errors import BadInput

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1111111111111111111111111111111111111111 source one"


def test_the_line_forces_the_command() -> None:
    assert append_only_line(KEY + "\n", "/srv/vault") == (
        f'command="borg serve --append-only --restrict-to-path /srv/vault",restrict {KEY}'
    )


def test_a_quota_may_be_set() -> None:
    assert "--storage-quota 500G" in append_only_line(KEY, "/srv/vault", "500G")


@pytest.mark.parametrize(
    "directory", ["/srv/a vault", "/srv/it's", '/srv/"x"', "/srv/$(id)", "/srv/back\\slash", "/津盾"]
)
def test_a_directory_of_any_name_reaches_borg_as_one_argument(directory: str) -> None:
    line = append_only_line(KEY, directory)
    quoted = line.removeprefix('command="').rpartition('",restrict ')[0]
    as_sshd_reads_it = quoted.replace('\\"', '"')
    as_the_shell_splits_it = shlex.split(as_sshd_reads_it)
    assert as_the_shell_splits_it == ["borg", "serve", "--append-only", "--restrict-to-path", directory]


@pytest.mark.parametrize(
    ("key", "directory", "quota", "sentence"),
    [
        ("", "/v", "", "not an OpenSSH public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "/v", "", "not an OpenSSH public key"),
        (f"{KEY}\nssh-ed25519 AAAA intruder", "/v", "", "not an OpenSSH public key"),
        (f"no-pty {KEY}", "/v", "", "not an OpenSSH public key"),
        (KEY, "vault", "", "an absolute path"),
        (KEY, "/v\nx", "", "an absolute path"),
        (KEY, "/v", "lots", "a quota looks like 500G"),
        (KEY, "/v", "5G --x", "a quota looks like 500G"),
    ],
)
def test_what_would_open_a_door_is_refused(key: str, directory: str, quota: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        append_only_line(key, directory, quota)
