"""The line that lets a source add copies and take none away."""

import shlex
from dataclasses import replace
from datetime import datetime

import pytest

from backup.vaults import append_only_line, bytes_of, closed, refusal, visible
from secops.model.city import Line, Tenant, Vault
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


def test_a_tenant_may_use_what_it_is_given_and_nobody_else_may() -> None:
    vault = Vault("v1", "c1", "/v", tenants=(Tenant("health", "1K"), Tenant("water")))
    assert refusal(vault, "health", 1000, 24) is None
    refused = refusal(vault, "health", 1000, 25)
    assert refused and "would pass its quota of 1K" in refused.en
    assert refusal(vault, "water", 1 << 60, 1) is None
    stranger = refusal(vault, "schools", 0, 0)
    assert stranger and "takes no copies of unit schools" in stranger.en
    assert visible((vault, Vault("v2", "c1", "/w")), "schools") == (Vault("v2", "c1", "/w"),)


@pytest.mark.parametrize(
    ("size", "expected"), [("", 0), ("5", 5), ("1K", 1024), ("500G", 500 * 1024**3), ("2T", 2 << 40)]
)
def test_sizes(size: str, expected: int) -> None:
    assert bytes_of(size) == expected


@pytest.mark.parametrize(
    ("windows", "clock", "open_then"),
    [
        ((), "12:00", True),
        (("22:00-06:00",), "23:59", True),
        (("22:00-06:00",), "05:59", True),
        (("22:00-06:00",), "06:00", False),
        (("22:00-06:00",), "12:00", False),
        (("01:00-02:00", "12:00-13:00"), "12:30", True),
    ],
)
def test_a_vault_fetches_within_its_hours(windows: tuple[str, ...], clock: str, open_then: bool) -> None:
    moment = datetime.fromisoformat(f"2026-11-22T{clock}").astimezone()
    assert (closed(Vault("v1", "c1", "/v", line=Line(windows=windows)), moment) is None) is open_then


def test_a_vault_knows_its_directory() -> None:
    assert Vault("v", "c", "ssh://u@h:22/srv/vault/").directory == "/srv/vault"
    assert Vault("v", "c", "/srv/vault").directory == "/srv/vault"


def test_the_address_of_a_server_does_not_tell_a_directory() -> None:
    vault = Vault("v", "c", "rest:http://192.0.2.9:8000/unit", "h")
    assert vault.directory == ""
    assert replace(vault, kept_in="/srv/vault/").directory == "/srv/vault"
