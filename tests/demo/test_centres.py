"""The centres stand for real, and answer as the city says."""

import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from secops.demo import site
from secops.demo.centre import LiveCentre
from secops.demo.centres import Centres, start
from secops.demo.processes import START_SECONDS, program, usable
from secops.support.errors import BadInput, Incomplete

pytestmark = pytest.mark.slow


def get(url: str, centres: Centres | None = None) -> tuple[str, dict[str, str]]:
    context = ssl.create_default_context(cafile=str(centres.authority)) if centres else None
    with urllib.request.urlopen(url, timeout=30, context=context) as answer:
        return answer.read().decode(), {name.lower(): value for name, value in answer.headers.items()}


def login(centres: Centres, centre: LiveCentre, *argv: str, known_hosts: Path | None = None) -> str:
    """What a command on the centre's host prints. Raises CalledProcessError."""
    options = ["-o", f"UserKnownHostsFile={known_hosts or centres.known_hosts}", "-o", "StrictHostKeyChecking=yes"]
    target = ["-p", str(centre.ports.ssh), f"{centre.user}@{centre.address}"]
    command = ["ssh", "-F", "none", "-i", str(centres.admin_key), "-o", "BatchMode=yes", *options, *target, *argv]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout


def ask_entry(centres: Centres, line: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(centres.entry_socket))
        client.sendall(line.encode() + b"\n")
        return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def test_the_site_answers_in_every_centre_and_through_the_entry(centres: Centres) -> None:
    for url in (*(centre.site_url for centre in centres.all), centres.entry_url):
        assert "智慧医疗" in get(url)[0]
        assert site.BUSINESS_MARK in get(url.rstrip("/") + site.BUSINESS_PATH)[0]
    for centre in centres.all:
        assert "智慧医疗" in get(centre.tls_url, centres)[0]


def test_the_isolated_place_serves_what_is_put_there_and_only_on_its_own_port(centres: Centres) -> None:
    site.write_release(centres.production.isolated / "copy")
    assert "智慧医疗" in get(centres.production.isolated_url + "copy/index.html")[0]
    with pytest.raises(urllib.error.HTTPError):
        get(centres.production.site_url + "copy/index.html")


def test_weaknesses_stand_in_production_only(centres: Centres) -> None:
    production, *others = centres.all
    assert "DB_PASSWORD" in get(production.site_url + ".env")[0]
    assert "portal-2026-09.zip" in get(production.site_url + "backup/")[0]
    assert "content-security-policy" not in get(production.site_url)[1]
    assert get(f"http://{production.address}:{production.ports.forgotten}/")[0]
    for centre in others:
        assert "content-security-policy" in get(centre.site_url)[1]
        assert centre.ports.forgotten == 0
        for leftover in (".env", "backup/"):
            with pytest.raises(urllib.error.HTTPError):
                get(centre.site_url + leftover)


def test_login_by_pinned_key_lands_in_a_home_below_the_folder(centres: Centres) -> None:
    for centre in centres.all:
        assert login(centres, centre, "echo $HOME; id -u").split() == [str(centre.home), str(os.getuid())]


def test_a_host_key_that_is_not_pinned_is_refused(centres: Centres, short_path: Path) -> None:
    wrong = short_path / "known_hosts"
    lines = centres.known_hosts.read_text().splitlines()
    wrong.write_text(lines[0].split()[0] + " " + lines[1].split(maxsplit=1)[1] + "\n")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        login(centres, centres.production, "true", known_hosts=wrong)
    assert "Host key verification failed" in refused.value.stderr


def test_a_host_adds_copies_to_another_centres_vault_and_can_do_nothing_else_there(centres: Centres) -> None:
    here, there = centres.production, centres.remote_dr
    rsh = f"ssh -F none -i {here.vault_key} -o BatchMode=yes -o UserKnownHostsFile={here.known_hosts}"
    borg = f"env BORG_RSH='{rsh}' BORG_PASSPHRASE=x BORG_BASE_DIR={here.home}/borg borg"
    login(centres, here, f"{borg} init -e repokey-blake2 {there.vault_url}/tree")
    login(centres, here, f"{borg} create {there.vault_url}/tree::one {here.data}")
    assert login(centres, here, f"{borg} list --short {there.vault_url}/tree").split() == ["one"]
    assert (there.vault / "tree" / "data").is_dir()
    with pytest.raises(subprocess.CalledProcessError):
        login(centres, here, f"{borg} init -e none ssh://{there.vault_url[6:].split('/')[0]}{there.isolated}")
    address = f"-p {there.ports.ssh} {there.user}@{there.address}"
    with pytest.raises(subprocess.CalledProcessError):
        login(centres, here, f"{rsh} {address} touch {there.folder}/intruder")
    assert not (there.folder / "intruder").exists()


def test_the_entry_moves_through_its_socket(centres: Centres) -> None:
    ask_entry(centres, "set server site/local_dr state ready")
    ask_entry(centres, "set server site/production state maint")
    try:
        assert "content-security-policy" in get(centres.entry_url)[1]  # only the DR centres send it
    finally:
        ask_entry(centres, "set server site/production state ready")
        ask_entry(centres, "set server site/local_dr state maint")
    assert "content-security-policy" not in get(centres.entry_url)[1]


def test_an_entry_whose_centre_died_says_so_and_goes_on_after_the_switch(folder: Path) -> None:
    with start(folder) as standing:
        standing.processes.stop(standing.pids["nginx production"])
        with pytest.raises(urllib.error.HTTPError):
            get(standing.entry_url)
        ask_entry(standing, "set server site/local_dr state ready")
        ask_entry(standing, "set server site/production state maint")
        assert "智慧医疗" in get(standing.entry_url)[0]


def test_it_stands_within_the_patience_of_one_start(folder: Path) -> None:
    """Servers start together and each is waited for, not for a time; `make demo` tells how long it took."""
    began, work_began = time.monotonic(), time.process_time()
    with start(folder):
        assert time.monotonic() - began < 2 * START_SECONDS
        assert time.process_time() - work_began < 3


def test_tampering_hides_links_in_the_served_page_and_the_business_still_works(folder: Path) -> None:
    with start(folder) as standing:
        before = get(standing.entry_url)[0]
        page = site.tamper(standing.production)
        after = get(standing.entry_url)[0]
        assert page.name == "index.html"
        assert not any(link in before for link in site.INTRUDER_LINKS)
        assert all(link in after for link in site.INTRUDER_LINKS)
        assert site.BUSINESS_MARK in get(standing.entry_url.rstrip("/") + site.BUSINESS_PATH)[0]
        assert get(standing.local_dr.site_url)[0] == before


def test_two_demos_at_once(centres: Centres, folder: Path) -> None:
    with start(folder) as other:
        assert other.network != centres.network
        assert "智慧医疗" in get(other.entry_url)[0]
        assert "智慧医疗" in get(centres.entry_url)[0]
    assert "智慧医疗" in get(centres.entry_url)[0]
    assert login(centres, centres.production, "echo still here").strip() == "still here"


def test_a_folder_that_exists_is_refused_and_left_alone(short_path: Path) -> None:
    (short_path / "mine").write_text("precious")
    with pytest.raises(BadInput):
        start(short_path)
    assert (short_path / "mine").read_text() == "precious"


@pytest.mark.parametrize("name", ["with space", "quote'", "x" * 80])
def test_a_folder_that_a_server_could_not_name_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        usable(Path("/tmp") / name)


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("secops.demo.haproxy.program", _missing)
    with pytest.raises(Incomplete, match="apt-get install haproxy"):
        start(folder)
    assert not folder.exists()


def _missing(name: str, package: str) -> str:
    return program("no-such-program", package)
