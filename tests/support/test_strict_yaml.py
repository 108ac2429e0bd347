"""The strict reader: values keep their types, every problem has its place, nothing makes it fall over or dawdle."""

import json
import time
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import jsonschema
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, field_validator

from secops.model.city import City
from secops.model.text import Text
from secops.support import language
from secops.support.strict_yaml import BadFile, BadValue, Document, json_schema, parse, read
from secops.support.yaml_nodes import MAX_ALIASES, MAX_BYTES, MAX_DEPTH, Plain, decode


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True)
class Lamp:
    """A lamp."""

    __pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # noqa: RUF012
    name: str
    watts: int = 5
    """Power drawn, in watts."""
    colour: Colour = Colour.RED
    on: bool = False
    size: int | str = 0
    tags: tuple[str, ...] = ()
    rooms: dict[str, int] = field(default_factory=dict)


class Street(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    lamps: tuple[Lamp, ...]
    crew: str = ""

    @field_validator("crew")
    @classmethod
    def _known(cls, crew: str) -> str:
        if crew == "nobody":
            raise BadValue(Text("没有人", "nobody is there"))
        return crew


def problems(text: str, kind: type = Lamp) -> list[tuple[int, int, str]]:
    with pytest.raises(BadFile) as caught:
        parse(text, "a.yaml").build(kind)
    return [(problem.line, problem.column, problem.text.en) for problem in caught.value.problems]


def value(text: str) -> Plain:
    built: Plain = parse(f"x: {text}", "a.yaml").build(dict)["x"]  # type: ignore[type-arg]
    return built


@pytest.mark.parametrize(
    "word",
    [
        "yes",
        "no",
        "on",
        "off",
        "Yes",
        "NO",
        "y",
        "n",
        "12:30:45",
        "2026-11-22",
        "1_000",
        "=",
        "0b11",
        "0o9",
        "+",
        ".",
        "1e",
        "0x",
    ],
)
def test_what_yaml_1_1_would_change_stays_text(word: str) -> None:
    assert value(word) == word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("12", 12),
        ("-7", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("-.inf", float("-inf")),
        ("'12'", "12"),
        ('"true"', "true"),
    ],
)
def test_the_core_schema_of_yaml_1_2(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


def test_keys_are_text_as_written() -> None:
    assert parse("on: 1\nno: 2\n1: 3\n'': 4\n", "a").build(dict) == {"on": 1, "no": 2, "1": 3, "": 4}


def test_a_good_file_is_built() -> None:
    document = parse(
        "lamps:\n- {name: a, colour: green, size: big, rooms: {hall: 2}}\n- &b {name: b}\n- *b\n", "s.yaml"
    )
    street = document.build(Street)
    assert street.lamps[0] == Lamp("a", colour=Colour.GREEN, size="big", rooms={"hall": 2})
    assert street.lamps[1] == street.lamps[2] == Lamp("b")
    assert document.where(("lamps", 0, "colour")) == (2, 21)
    assert document.where(("lamps", 1, "absent")) == (3, 3)


@pytest.mark.parametrize(
    ("text", "line", "column", "sentence"),
    [
        ("name: a\nwats: 3", 2, 1, 'unknown key "wats"; did you mean "watts"?'),
        ("name: a\nqqqqq: 3", 2, 1, 'unknown key "qqqqq"'),
        ("watts: 3", 1, 1, 'the key "name" is missing'),
        ("name: 3", 1, 7, "expected text, found the number 3; quote it if it is text"),
        ("name: no\nwatts: '3'", 2, 8, 'expected a whole number, found the text "3"; remove the quotes'),
        ("name: a\nwatts: 3.0", 2, 8, "expected a whole number, found the number 3.0"),
        ("name: a\nwatts: true", 2, 8, "expected a whole number, found the boolean true"),
        ("name: a\non: yes", 2, 5, 'expected true or false, found the text "yes"; yes, no, on and off are text'),
        ("name: a\non: 1", 2, 5, "expected true or false, found the number 1"),
        ("name: a\ncolour: gren", 2, 9, 'expected one of red, green; found the text "gren"; did you mean "green"?'),
        ("name: a\nsize: [1]", 2, 7, "expected a whole number or text, found a list"),
        ("name: a\ntags: x", 2, 7, 'expected a list, found the text "x"'),
        ("name: a\ntags: [x, 1]", 2, 11, "expected text, found the number 1; quote it if it is text"),
        ("name: a\nrooms: {hall: x}", 2, 15, 'expected a whole number, found the text "x"'),
        ("name:", 1, 6, "expected text, found nothing"),
        ("- a", 1, 1, "expected a mapping (key: value), found a list"),
        ("name: a\nname: b", 2, 1, 'duplicate key "name"; it stands first in line 1'),
        ('name: a\n"name": b', 2, 1, 'duplicate key "name"; it stands first in line 1'),
        ("name: !!python/none x", 1, 7, "tags are not supported: tag:yaml.org,2002:python/none"),
        ("name: a\n<<: {watts: 3}", 2, 1, "merge keys (<<) are not supported"),
        ("name: a\n[x]: 1", 2, 1, "a key can only be text"),
        ("name: a\n---\nname: b", 2, 1, "a file holds one document, here starts a second"),
        ("name: *x", 1, 7, "the alias *x has no anchor before it"),
        ("name: &x [*x]", 1, 11, "the alias stands inside what it names"),
        ("name: a: b", 1, 8, '"key: value" cannot stand here; check the indentation, and quote text that holds ": "'),
        ("name: a\n\twatts: 1", 2, 1, "indent with spaces, not tabs"),
        ("", 1, 1, "the file is empty"),
        ("# nothing\n", 1, 1, "the file is empty"),
        ('name: "\\e[31m"', 1, 7, "text cannot hold control characters"),
        ("name: a\x07", 1, 8, "the character U+0007 is not allowed"),
        ("name: a\nsize: " + "9" * 5000, 2, 7, "the number is too long; quote it if it is text"),
    ],
)
def test_one_mistake_one_problem(text: str, line: int, column: int, sentence: str) -> None:
    assert problems(text) == [(line, column, sentence)]


def test_all_problems_at_once_in_order_with_line_and_caret() -> None:
    text = "lamps:\n- name: 灯\n  wats: 1\n  wats: 2\n- colour: blau\ncrew: nobody\n"
    with pytest.raises(BadFile) as caught:
        parse(text, "s.yaml").build(Street)
    language.choose("en")
    try:
        assert str(caught.value).splitlines() == [
            's.yaml:3:3: unknown key "wats"; did you mean "watts"?',
            "      wats: 1",
            "      ^",
            's.yaml:4:3: duplicate key "wats"; it stands first in line 3',
            "      wats: 2",
            "      ^",
            's.yaml:5:3: the key "name" is missing',
            "    - colour: blau",
            "      ^",
            's.yaml:5:11: expected one of red, green; found the text "blau"',
            "    - colour: blau",
            "              ^",
            "s.yaml:6:7: nobody is there",
            "    crew: nobody",
            "          ^",
        ]
        language.choose("zh")
        assert 's.yaml:4:3: 键 "wats" 重复;首次在第 3 行' in str(caught.value)
    finally:
        language.choose(None)


def test_the_caret_stands_under_its_column_on_a_wide_terminal() -> None:
    with pytest.raises(BadFile) as caught:
        parse("{name: 津盾, wats: 1}", "a").build(Lamp)
    line, caret = caught.value.problems[0].excerpt.splitlines()
    assert caret.index("^") == len("    {name: ") + 4 + len(", ")
    assert line == "    {name: 津盾, wats: 1}"


def test_a_caller_adds_its_own_problems() -> None:
    document = parse("lamps:\n- name: a\n", "s.yaml")
    problem = document.problem(("lamps", 0, "name"), Text("不认识", "unknown"))
    assert problem.in_language("en") == "s.yaml:2:9: unknown\n    - name: a\n            ^"
    assert BadFile([problem]).exit_code == 2


def test_unreadable_files_are_bad_files(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("a: b\nname: café".encode("latin-1"))
    (tmp_path / "utf16.yaml").write_bytes("a: b".encode("utf-16"))
    (tmp_path / "large.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    expected = {
        "absent.yaml": "cannot be read",
        "latin.yaml": "latin.yaml:2:10: the file is not UTF-8",
        "utf16.yaml": "not UTF-8",
        "large.yaml": "larger than 4 MiB",
        ".": "not a regular file",
    }
    for name, sentence in expected.items():
        with pytest.raises(BadFile, match=sentence):
            read(tmp_path / name)
    (tmp_path / "bom.yaml").write_bytes("name: a".encode("utf-8-sig"))
    assert read(tmp_path / "bom.yaml").build(Lamp) == Lamp("a")


def test_limits_are_exact() -> None:
    parse("[" * MAX_DEPTH + "]" * MAX_DEPTH, "a")
    with pytest.raises(BadFile, match="nested deeper"):
        parse("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "a")
    half = "[" * 20 + "]" * 20
    parse(f"a: &a {half}\nb: [*a]", "a")
    with pytest.raises(BadFile, match="nested deeper"):
        parse(f"a: &a {half}\nb: {'[' * 20}*a{']' * 20}", "a")
    parse("a: &a 1\nb: [" + "*a," * MAX_ALIASES + "]", "a")
    with pytest.raises(BadFile, match="more than 64 aliases"):
        parse("a: &a 1\nb: [" + "*a," * (MAX_ALIASES + 1) + "]", "a")


def test_a_bomb_of_long_text_is_refused() -> None:
    text = "a: &a " + "x" * 2_000_000 + "\nb: [" + "*a," * 60 + "]"
    with pytest.raises(BadFile, match="nodes when expanded"):
        parse(text, "a")


FRAGMENTS = st.sampled_from(
    [
        "[",
        "]",
        "{",
        "}",
        "- ",
        "? ",
        ": ",
        ", ",
        "\n",
        "  ",
        "\t",
        "&a ",
        "*a",
        "!t ",
        "!!str ",
        "|\n",
        ">-\n",
        "'",
        '"',
        "#",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "%TAG ! x\n",
        "name",
        "watts: 1\n",
        "yes",
        "\\ud800",
        "<<: ",
        "津",
        "\u2028",
        "\x85",
        "\ufeff",
        "0x",
        ".nan",
        "1e999",
        "-",
        "@",
        "`",
        "\r",
    ]
)


@given(st.one_of(st.binary(max_size=300), st.lists(FRAGMENTS, max_size=40).map(lambda parts: "".join(parts).encode())))
@example(b'"\\ud800"')
@example(b"a: .nan")
@example(b"? ")
@example(b"[[a]: b]")
@settings(max_examples=300)
def test_any_bytes_are_a_document_or_a_bad_file(content: bytes) -> None:
    for kind in (Lamp, Street, City, dict):
        try:
            document = parse(decode(content, "fuzz.yaml"), "fuzz.yaml")
            assert isinstance(document, Document)
            document.build(kind)
        except BadFile as bad:
            assert bad.problems
            assert all(problem.text.zh and problem.text.en for problem in bad.problems)
            assert "\x1b" not in str(bad)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
        lambda deeper: (
            st.lists(deeper, max_size=4) | st.dictionaries(st.sampled_from(["a", "no", "1", "键"]), deeper, max_size=4)
        ),
        max_leaves=30,
    )
)
def test_json_reads_back_as_itself(thing: Plain) -> None:
    assert parse(json.dumps({"x": thing}, ensure_ascii=False), "a").build(dict) == {"x": thing}


HOSTILE = {
    "open lists": "[" * 4_000_000,
    "open maps": "{" * 4_000_000,
    "block lists": "- " * 2_000_000,
    "question marks": "? " * 2_000_000,
    "colons": ": " * 2_000_000,
    "many items": "- a\n" * 1_000_000,
    "one long line": "[" + "a," * 2_000_000,
    "many keys": "".join(f"k{number}: 1\n" for number in range(59_000)),
    "many duplicates": "a: 1\n" * 59_000,
    "many tags": "- !t x\n" * 59_000,
    "many wrong types": "tags: [" + "1," * 119_000 + "]",
    "open quote": '"' + "a" * 4_000_000,
    "comment": "#" * 4_000_000,
    "empty lines": "\n" * 4_000_000,
    "anchors": "&a " * 1_000_000,
    "spaces": "a:\n" + " " * 4_000_000 + "b",
    "anchor bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{name}: &{name} [*{', *'.join(before * 6)}]\n" for before, name in ("ab", "bc", "cd", "de", "ef", "fg")
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_refused_in_time(name: str) -> None:
    started = time.process_time()
    with pytest.raises(BadFile) as caught:
        parse(HOSTILE[name], "hostile.yaml").build(Lamp)
    assert len(str(caught.value)) < 100_000
    assert time.process_time() - started < 8.0


def test_the_json_schema_is_valid_and_carries_the_docstrings() -> None:
    schema = json_schema(Lamp)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["description"] == "A lamp."
    assert schema["properties"]["watts"]["description"] == "Power drawn, in watts."
    assert schema["additionalProperties"] is False
