"""Secret references: what resolves, what is refused, what is hidden."""

import os
from pathlib import Path

import pytest

from secops.execution.secrets import SecretRefused, Secrets
from secops.model.step import LOCAL, Command, Result


def command(stdin: str = "", env: dict[str, str] | None = None, argv: tuple[str, ...] = ("true",)) -> Command:
    return Command(host=LOCAL, argv=argv, stdin=stdin, env=env or {})


def write(path: Path, value: bytes, mode: int = 0o600) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value)
    path.chmod(mode)


def test_files_are_relative_to_the_base_and_lose_one_newline(tmp_path: Path) -> None:
    write(tmp_path / "keys" / "vault", b"pass phrase\n")
    write(tmp_path / "two", b"line\n\n")
    unlocked = Secrets(tmp_path).unlock(command("a ${file:keys/vault} b", {"X": f"${{file:{tmp_path}/two}}"}))
    assert unlocked.stdin == "a pass phrase b"
    assert unlocked.env == {"X": "line\n"}
    assert unlocked.secret_names == ("X",)


def test_variables_are_those_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINDUN_TEST_SECRET", "value one")
    unlocked = Secrets(tmp_path).unlock(command(env={"A": "${env:JINDUN_TEST_SECRET}", "B": "plain"}))
    assert unlocked.env == {"A": "value one", "B": "plain"}
    assert unlocked.secret_names == ("A",)


@pytest.mark.parametrize("text", ["", "plain", "${HOME}", "${env:-x}", "$env:X", "${ env:X }", "${env:}", "${file:}"])
def test_what_is_no_reference_stays(tmp_path: Path, text: str) -> None:
    assert Secrets(tmp_path).unlock(command(text)).stdin == text


def test_a_resolved_value_is_not_resolved_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINDUN_TEST_SECRET", "${env:HOME}")
    assert Secrets(tmp_path).unlock(command("${env:JINDUN_TEST_SECRET}")).stdin == "${env:HOME}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o601])
def test_a_file_that_others_may_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    write(tmp_path / "loose", b"correct-horse", mode)
    with pytest.raises(SecretRefused, match=f"{mode:04o}") as caught:
        Secrets(tmp_path).unlock(command("${file:loose}"))
    assert "correct-horse" not in str(caught.value)


def test_what_cannot_be_a_secret_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    write(tmp_path / "empty", b"\n")
    write(tmp_path / "binary", b"\xff\xfe\xfa")
    for name in ("fifo", "folder", "empty", "binary", "absent"):
        with pytest.raises(SecretRefused, match=name):
            Secrets(tmp_path).unlock(command(f"${{file:{name}}}"))


def test_a_variable_that_is_not_set_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JINDUN_TEST_EMPTY", "")
    for name in ("JINDUN_TEST_EMPTY", "JINDUN_TEST_NOT_SET"):
        with pytest.raises(SecretRefused, match=name):
            Secrets(tmp_path).unlock(command(f"${{env:{name}}}"))


def test_arguments_may_not_hold_references(tmp_path: Path) -> None:
    for argument in ("${env:HOME}", "--key=${file:x}"):
        with pytest.raises(SecretRefused, match="argument"):
            Secrets(tmp_path).unlock(command(argv=("echo", argument)))


def test_every_text_of_a_result_is_cleaned(tmp_path: Path) -> None:
    write(tmp_path / "key", b"-----BEGIN-----\nAAAABBBBCCCC\nshort\n-----END-----\n")
    write(tmp_path / "longer", b"AAAABBBBCCCCDDDD")
    unlocked = Secrets(tmp_path).unlock(command("${file:key}${file:longer}"))
    dirty = Result(
        ok=False,
        output="line AAAABBBBCCCC, short",
        error_output="AAAABBBBCCCCDDDD",
        reason="-----BEGIN-----\nAAAABBBBCCCC\nshort\n-----END-----",
        exit_code=3,
    )
    clean = unlocked.redact(dirty)
    assert (clean.output, clean.error_output, clean.reason) == ("line ***, short", "***", "***")
    assert clean.exit_code == 3


def test_values_too_short_to_hide_do_not_shred_the_output(tmp_path: Path) -> None:
    write(tmp_path / "pin", b"1")
    result = Result(ok=True, output="11 files")
    assert Secrets(tmp_path).unlock(command("${file:pin}")).redact(result) == result
