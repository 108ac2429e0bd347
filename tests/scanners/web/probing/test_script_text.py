"""Text in scripts is told from code as a browser tells it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanners.web.probing.script_text import BrokenScript, Kind, code_of, kind_at, pieces_of


@pytest.mark.parametrize(
    "script",
    [
        'var a = "x"-mk()-"";',
        "var a = 'x';mk();//'",
        "`${mk()} x`",
        "`a${`b${mk()}`}c`",
        "`a${{b: 1}.b}c`; mk()",
        "x = 4/2; mk(); y = a / b;",
        "/* mk */ mk()",
        'if (/"/.test(a)) mk()',
        'return /[/"]/; mk()',
        "<!-- mk\nmk()",
        "a = '\\\\';mk();//'",
        "go('');mk();//')",
    ],
)
def test_a_call_that_would_run(script: str) -> None:
    assert "mk(" in code_of(script)


@pytest.mark.parametrize(
    "script",
    [
        'a = "mk()"',
        "a = '\\';mk();//'",
        "`mk()`",
        "`\\${mk()}`",
        "// mk()",
        "/* mk() */ a",
        'x = /a"mk()/; y',
        "a = 'x\\'-mk()-\\''",
    ],
)
def test_a_call_that_is_only_text(script: str) -> None:
    assert "mk(" not in code_of(script)


@pytest.mark.parametrize("script", ['"un\nterm"; mk()', "x(mk()", "a = {mk()]", "`a ${ mk() ", "/* mk()", "}mk(){"])
def test_a_script_that_no_browser_runs(script: str) -> None:
    with pytest.raises(BrokenScript):
        code_of(script)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ('a = "@"', Kind.DOUBLE),
        ("a = '@'", Kind.SINGLE),
        ("a = `@`", Kind.TEMPLATE),
        ("a = `${@}`", Kind.CODE),
        ("// @", Kind.LINE_COMMENT),
        ("/*@*/", Kind.COMMENT),
        ("a = @;", Kind.CODE),
        ("a = '@", Kind.CODE),
    ],
)
def test_where_a_mark_stands(script: str, kind: Kind) -> None:
    assert kind_at(script, script.index("@")) is kind


@given(st.text(alphabet="ab\"'`/\\*${}()[]\n;=<!-", max_size=40))
def test_pieces_cover_any_script_without_gaps(script: str) -> None:
    try:
        pieces = pieces_of(script)
    except BrokenScript:
        return
    assert "".join(script[piece.start : piece.end] for piece in pieces) == script
    assert all(piece.start < piece.end for piece in pieces)
