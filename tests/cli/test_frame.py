"""What typer says around our words, in the reader's language and whole."""

import os
import re
import subprocess
import sys

import pytest
import typer

from secops.cli.main import build, main

pytestmark = pytest.mark.slow  # each starts a process of its own

VERBS = sorted(one.typer_instance.info.name or "" for one in build().registered_groups if one.typer_instance)
ENGLISH = re.compile(
    r"Usage|Options|Arguments|Commands|Show this|required|default:|env var|Try |Error|such|Missing|value"
)


def chinese(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "JINDUN_LANG": "zh", "COLUMNS": "80"}
    command = (sys.executable, "-m", "secops", *arguments)
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_is_chinese_and_nothing_is_cut_off(verb: str) -> None:
    done = chinese(*verb.split(), "--help")
    assert done.returncode == 0, done.stderr
    words = re.sub(r"用法:.*", "", done.stdout)  # OPTIONS, COMMAND and ARGS are names
    assert (ENGLISH.findall(words), "…" in words) == ([], False), done.stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("frobnicate", "没有命令 'frobnicate'。"),
        ("findings coverag", "没有命令 'coverag',是否要用 'coverage'?"),
        ("findings list --frob", "没有选项 --frob"),
        ("findings list --limit 0", "'--limit' 的值不能小于 1"),
        ("findings list --limit x", "'--limit' 的值应为整数"),
        ("findings show", "缺少参数 'ID'。"),
        ("findings transition x resolved", "缺少选项 '--reason'。"),
        ("findings transition x", "缺少参数 'STATE',应为其中之一:"),
        ("store migrate", "缺少选项 '--to',应为其中之一:"),
        ("findings rekey --asset a", "选项 '--asset' 需要 2 个值。"),
        ("playbook run -i", "选项 '-i' 需要一个值。"),
        ("scan --kind frob", "'--kind' 的值 'frob' 无效,应为其中之一:"),
        ("schema playbook extra", "多余的参数:extra"),
    ],
)
def test_mistakes_in_a_call_are_told_in_chinese(arguments: str, sentence: str) -> None:
    done = chinese(*arguments.split())
    assert done.returncode == 2
    assert sentence in done.stderr
    assert not ENGLISH.search(done.stderr.replace("[OPTIONS]", "")), done.stderr


def test_a_prompt_that_nobody_answers_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def unanswered(_wanted: str) -> typer.Typer:
        raise typer.Abort

    monkeypatch.setattr("secops.cli.main.build", unanswered)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
