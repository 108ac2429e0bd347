"""The effective configuration of a real sshd."""

from dataclasses import replace
from pathlib import Path

import pytest

from scanners.hosts.sshd_config import SSHD_CONFIG
from scanners.reach import Reach
from secops.model.city import Asset, AssetKind, SshAddress
from secops.model.outcome import Evaluation, Outcome
from secops.model.step import Result, Trouble
from secops.model.text import Text
from tests.lab.sshd import running_sshd
from tests.scanners.reaching import LocalShell, evaluate, reaching


def scanned(host: Asset, shell: object) -> Evaluation:
    async def work(reach: Reach) -> Evaluation:
        (ended,) = await evaluate(SSHD_CONFIG, host, reach)
        return ended

    return reaching(work, shell=shell)  # type: ignore[arg-type]


@pytest.mark.slow
def test_what_a_real_sshd_would_do_is_judged(tmp_path: Path) -> None:
    options = ("PermitRootLogin yes", "MaxAuthTries 10", "X11Forwarding yes", "Ciphers aes256-cbc,aes256-ctr")
    with running_sshd(tmp_path, options=options) as sshd:
        ended = scanned(replace(sshd.asset(), path=str(tmp_path / "sshd_config")), LocalShell())
    assert ended.outcome is Outcome.FOUND, ended.reason
    rules = {one.locator[0]: one.severity.value for one in ended.weaknesses}
    assert rules["permitrootlogin"] == "high"
    assert {"maxauthtries", "x11forwarding", "ciphers"} <= set(rules)
    assert "passwordauthentication" not in rules
    assert "aes256-cbc" in next(one for one in ended.weaknesses if one.locator == ("ciphers",)).reason.en


@pytest.mark.slow
def test_a_configuration_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    with running_sshd(tmp_path) as sshd:
        ended = scanned(replace(sshd.asset(), path=str(tmp_path / "none")), LocalShell())
    assert ended.outcome is Outcome.UNREACHABLE
    assert "No such file" in ended.reason.en


class Scripted:
    """Answers by program."""

    def __init__(self, **answers: Result) -> None:
        self.answers = answers
        self.ran: list[tuple[str, ...]] = []

    def run(self, host: Asset, argv: tuple[str, ...], timeout_seconds: float) -> Result:
        self.ran.append(argv)
        missing = Result(ok=False, exit_code=127, trouble=Trouble.FAILED)
        return self.answers.get(argv[0].rpartition("/")[2], missing)


HOST = Asset(
    id="h",
    kind=AssetKind.HOST,
    name=Text("主机", "host"),
    centre="c1",
    address="127.0.0.1",
    ssh=SshAddress(user="audit"),
)
REFUSED = Result(ok=False, error_output="sshd: no hostkeys available -- exiting.", exit_code=1, trouble=Trouble.FAILED)


def test_sudo_is_tried_when_the_login_user_may_not_ask() -> None:
    shell = Scripted(sshd=REFUSED, sudo=Result(ok=True, output="permitrootlogin no\npermitemptypasswords yes\n"))
    ended = scanned(HOST, shell)
    assert [one.rule for one in ended.weaknesses] == ["sshd-config.permitemptypasswords"]
    assert shell.ran == [("sshd", "-T"), ("/usr/sbin/sshd", "-T"), ("sudo", "-n", "/usr/sbin/sshd", "-T")]


def test_a_configuration_that_nobody_may_read_is_unreachable_with_the_reason() -> None:
    ended = scanned(HOST, Scripted(sshd=REFUSED, sudo=REFUSED))
    assert ended.outcome is Outcome.UNREACHABLE
    assert "no hostkeys available" in ended.reason.en


def test_without_sshd_or_without_ssh_it_does_not_apply() -> None:
    assert scanned(HOST, Scripted()).outcome is Outcome.SKIPPED
    assert scanned(replace(HOST, ssh=None), Scripted()).outcome is Outcome.SKIPPED


def test_output_that_is_not_a_configuration_is_not_judged() -> None:
    assert scanned(HOST, Scripted(sshd=Result(ok=True, output="Welcome!\n"))).outcome is Outcome.UNREACHABLE
