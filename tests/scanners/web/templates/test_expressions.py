"""The expression language by tables of expected values, written from its documented behaviour."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanners.web.templates.expressions.compiling import compiled, expression
from scanners.web.templates.expressions.functions.catalogue import FUNCTIONS
from scanners.web.templates.expressions.scope import Context, Variables
from scanners.web.templates.expressions.syntax import SyntaxMistake, UnsupportedFunction, parse, text_node
from scanners.web.templates.expressions.values import EvaluationError, Value

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
VARIABLES: dict[str, Value] = {
    "body": b"<html>Hello World, version 1.2.3</html>",
    "header": b"Server: Nginx\r\n",
    "status_code": 200.0,
    "n": b"41",
    "list": [b"a", b"b"],
    "user": b"admin",
    "pass word": b"x",
    "a-b": b"dashed",
}


def value(source: str) -> Value:
    return expression(source)(Variables(VARIABLES, Context("seed", NOW)))


OPERATORS: dict[str, Value] = {
    "1 + 2 * 3": 7.0,
    "1 - 2 - 4 - 8": -13.0,
    "1 * 4 / 2 * 8": 16.0,
    "1 + 101 % 2 * 5": 6.0,
    "1 + 5 ** 3 % 2 * 5": 6.0,
    "50 << 1 & 90": 64.0,
    "90 + 50 << 1 * 5": 4480.0,
    "100 ^ (23 * (2 | 5))": 197.0,
    "~10": -11.0,
    "10 * -10": -100.0,
    "0x1f": 31.0,
    ".5 + .5": 1.0,
    "!true == false": True,
    "true && true || true && false": True,
    "true || false && true": True,
    "!(10 < 0)": True,
    "'ab' < 'abc'": True,
    "'foo' + 123 == 'foo123'": True,
    "'x' + 1000000": b"x1000000",
    "'x' + 1.5": b"x1.5",
    "true + 'bar'": b"truebar",
    "1 == '1'": False,
    "1 != '1'": True,
    "true == 1": False,
    "1 in (1, 2, 3)": True,
    "4 in (1, 2, 3)": False,
    "1 in (1)": True,
    "'b' in list": True,
    "'foobar' =~ 'o+b'": True,
    "'foo' !~ 'bar'": True,
    "true ? 1 : 5 > 10": 1.0,
    "false ? 1 : (true ? 2 : 3)": 2.0,
    "false ? 10": None,
    "10 > 5 ? 35.50": 35.5,
    "true ?? true ? 100 + 200 : 400": 300.0,
    "1 ?? 2": 1.0,
    "[pass word] == 'x'": True,
    r"'it\'s'": b"it's",
    r'"\\d"': b"\\d",
    r'"a\nb"': b"anb",
    '"mixed \' quotes"': b"mixed ' quotes",
    '"中文"': "中文".encode(),
    "len(body) > {{n}} - 10": True,
    'contains("41 of 42", "{{n}}")': True,
    '"{{user}}:{{missing}}"': b"admin:{{missing}}",
}

HELPERS: dict[str, Value] = {
    'index("abc", 1)': b"b",
    "index(list, 0)": b"a",
    'len("Hello")': 5.0,
    'len("中")': 3.0,
    "len(1234)": 4.0,
    "len(list)": 2.0,
    'to_upper("heÄllo")': "HEÄLLO".encode(),
    'toupper("a")': b"A",
    'to_lower("HELLO")': b"hello",
    "tolower(header)": b"server: nginx\r\n",
    'to_title("hello world")': b"Hello World",
    "to_string(4)": b"4",
    "to_string(1.50)": b"1.5",
    "to_string(true)": b"true",
    'concat("Hello", 123, "world")': b"Hello123world",
    'join("_", "Hello", 123, "world")': b"Hello_123_world",
    'join(" ", sort("b", "a", "2"))': b"2 a b",
    'join(", ", split(hex_encode("abcdefg"), 2))': b"61, 62, 63, 64, 65, 66, 67",
    'split("abcdefg", 2)': [b"ab", b"cd", b"ef", b"g"],
    'split("ab,cd,efg", ",")': [b"ab", b"cd", b"efg"],
    'split("ab,cd,efg", ",", 2)': [b"ab", b"cd,efg"],
    'split("ab,cd,efg", ",", -1)': [b"ab", b"cd", b"efg"],
    'repeat("../", "5")': b"../../../../../",
    "repeat(5, 5)": b"55555",
    'replace("Hello", "He", "Ha")': b"Hallo",
    r'replace_regex("He123llo", "(\\d+)", "")': b"Hello",
    r'replace_regex("a1b2", "([a-z])(\\d)", "$2${1}")': b"1a2b",
    'remove_bad_chars("abcd", "bc")': b"ad",
    'reverse("abc")': b"cba",
    'trim("aaaHelloddd", "ad")': b"Hello",
    'trim_left("aaaHelloddd", "ad")': b"Helloddd",
    'trim_right("aaaHelloddd", "ad")': b"aaaHello",
    'trim_space("  Hello  ")': b"Hello",
    'trimprefix("aaHelloaa", "aa")': b"Helloaa",
    'trim_suffix("aaHelloaa", "aa")': b"aaHello",
    "substr('xxtestxxx', 2)": b"testxxx",
    "substr('xxtestxxx', 2, 6)": b"test",
    "sort(12453)": b"12345",
    "uniq(123123231)": b"123",
    'uniq("ab", "cd", "ab")': [b"ab", b"cd"],
    'count("banana", "an")': 2.0,
    'contains("Hello", "lo")': True,
    'contains(body, "World")': True,
    'contains_all(body, "Hello", "World")': True,
    'contains_all(body, "Hello", "Moon")': False,
    'contains_any(body, "Moon", "World")': True,
    'starts_with("Hello", "Xe", "He")': True,
    'startswith("Hello", "lo")': False,
    'ends_with("Hello", "lo")': True,
    "line_starts_with('Hi\nHello', 'He')": True,
    "line_ends_with('Hii\nHello', 'ii')": True,
    'equals_any("b", list)': True,
    'regex("H([a-z]+)o", "Hello")': True,
    'regex("(?i)hello", body)': True,
    r'regex("[0-9]+\\.[0-9]+$", "v 1.2")': True,
    'regex("a$", "a\n")': False,
    "padding('AB', 'x', 5, 'prefix')": b"xxxAB",
    "padding('AB', 'xy', '5', 'suffix')": b"ABxyx",
    "padding('ABCDEF', 'x', 5, 'suffix')": b"ABCDEF",
    'base64("Hello")': b"SGVsbG8=",
    "base64(1234)": b"MTIzNA==",
    'base64_py("Hello")': b"SGVsbG8=\n",
    'len(base64_py(repeat("a", 58)))': 82.0,
    'base64_decode("SGVsbG8=")': b"Hello",
    'url_encode("https://e.io/t?a=1 b~")': b"https%3A%2F%2Fe.io%2Ft%3Fa%3D1+b~",
    'urlencode("&test\'")': b"%26test%27",
    'url_decode("https:%2F%2Fe.io%3Ftest=1+2")': b"https://e.io?test=1 2",
    'hex_encode("aa")': b"6161",
    'hex_decode("6161")': b"aa",
    'html_escape("<a>\'")': b"&lt;a&gt;&#39;",
    'html_unescape("&lt;a&gt;&#39;")': b"<a>'",
    "to_number('4')": 4.0,
    "to_number('-1.5')": -1.5,
    "dec_to_hex(7001)": b"1b59",
    'hex_to_dec("0xff")': 255.0,
    'hex_to_dec("ff")': 255.0,
    "oct_to_dec(1234567)": 342391.0,
    'bin_to_dec("0b1010")': 10.0,
    r'json_minify("{  \"name\":  \"J <D>\",   \"foo\":  [1, 2]     }")': b'{"foo":[1,2],"name":"J \\u003cD\\u003e"}',
    r'json_prettify("{\"foo\":\"bar\"}")': b'{\n    "foo": "bar"\n}',
    "xor('ab', 'AB')": b"  ",
    "unpack('>I', hex_decode('00000102'))": 258.0,
    "ip_format('127.0.0.1', '1')": b"127.0.0.1",
    "ip_format('127.0.1.0', '11')": b"127.0.256",
    'md5("Hello")': b"8b1a9953c4611296a827abf8c47804d7",
    "md5(1234)": b"81dc9bdb52d04dc20036dbd8313ed055",
    'sha1("Hello")': b"f7ff9e8b7bb2e09b70935a5d785e0cc5d9d0abf0",
    'sha256("Hello")': b"185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969",
    'mmh3("Hello")': b"316307400",
    'mmh3("")': b"0",
    'mmh3("abcd")': b"1139631978",
    'mmh3(hex_decode("ffffffffffffffffffffff"))': b"1357361945",
    'mmh3("The quick brown fox jumps over the lazy dog")': b"776992547",
    "hmac('sha1', 'test', 'scrt')": b"8856b111056d946d5c6c92a21b43c233596623c6",
    "hmac('sha256', 'test', 'scrt')": b"1f1bff5574f18426eb376d6dd5368a754e67a798aa2074644d5e3fd4c90c7a92",
    'gzip_decode(gzip("Hello"))': b"Hello",
    'zlib_decode(hex_decode("789cf248cdc9c907040000ffff058c01f5"))': b"Hello",
    'inflate(deflate("Hello"))': b"Hello",
    "hex_encode(aes_cbc('plain', '0123456789abcdef', '0123456789abcdef'))": b"a16c04b9704fbb83f15effb1baba78b9",
    r'generate_jwt("{\"name\":\"John Doe\",\"foo\":\"bar\"}", "HS256", "hello-world")': (
        b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJmb28iOiJiYXIiLCJuYW1lIjoiSm9obiBEb2UifQ"
        b".EsrL8lIcYJR_Ns-JuhF3VCllCP7xwbpMCCfHin_WT6U"
    ),
    r'generate_jwt("{\"a\":1}", "none")': b"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJhIjoxfQ.",
    "unix_time()": float(int(NOW.timestamp())),
    "unixtime(10)": float(int(NOW.timestamp()) + 10),
    'date_time("%Y-%M-%D %H:%m:%S")': b"2026-03-04 05:06:07",
    'date_time("02-01-2006 15:04", 1642032000)': b"13-01-2022 00:00",
    'date_time("Mon, 2 Jan 06 3:04 PM")': b"Wed, 4 Mar 26 5:06 AM",
    'to_unix_time("2022-01-13 16:30:10")': 1642091410.0,
    'to_unix_time("2022-01-13 16:30 +01:00")': 1642087800.0,
    'to_unix_time("13-01-2022 16:30:10", "02-01-2006 15:04:05")': 1642091410.0,
    "to_unix_time('1642032000')": 1642032000.0,
    "wait_for(1)": True,
    "print_debug(1+2, 'Hello')": True,
    "compare_versions('v1.0.0', '<1.1.1')": True,
    "compare_versions('v1.1.1', '>v1.1.0')": True,
    "compare_versions('v1.0.0', '>v0.0.1,<v1.0.1')": True,
    "compare_versions('v1.0.0', '>v0.0.1', '<v1.0.1')": True,
    "compare_versions('1.2', '= 1.2.0')": True,
    "compare_versions('1.2.0.1', '> 1.2')": True,
    "compare_versions('1.0.0-beta', '< 1.0.0')": False,
    "compare_versions('1.0.0-beta', '< 1.0.0-rc')": True,
    "compare_versions('1.10', '>= 1.9')": True,
    "compare_versions('1.4.5', '~> 1.4')": True,
    "compare_versions('2.0', '~> 1.4')": False,
    "compare_versions('1.2', '!= 1.2')": False,
}

ERRORS = (
    "missing",
    "1 + true",
    "'a' - 1",
    "'a' < 1",
    "!1",
    "1 && true",
    "base64_decode('!')",
    "hex_decode('f')",
    "url_decode('%zz')",
    "to_number('x')",
    "regex('(', 'x')",
    "compare_versions('x', '< 1')",
    "substr('abc', 5)",
    "index('abc', 9)",
    "repeat('a', 999999999999)",
    "date_time('%Q')",
    "json_minify('[]')",
    "hmac('md5', 'a', 'b')",
    "aes_cbc('a', 'short', 'short')",
    "rand_int(5, 5)",
    "rand_base(99999999999)",
    "wait_for(999)",
)

MISTAKES = (
    "",
    "1 +",
    "(1",
    "1)",
    "contains(body)",
    "nothing_like_that(1)",
    "'open",
    "1.2.3",
    "a b",
    "md5",
    "(" * 200 + "1" + ")" * 200,
    "!" * 500 + "true",
)


@pytest.mark.parametrize(("source", "expected"), OPERATORS.items())
def test_operators(source: str, expected: Value) -> None:
    found = value(source)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize(("source", "expected"), HELPERS.items())
def test_helpers(source: str, expected: Value) -> None:
    found = value(source)
    assert found == expected and type(found) is type(expected)


@pytest.mark.parametrize("source", ERRORS)
def test_what_has_no_value(source: str) -> None:
    with pytest.raises(EvaluationError):
        value(source)


@pytest.mark.parametrize("source", MISTAKES)
def test_what_is_no_expression(source: str) -> None:
    with pytest.raises(SyntaxMistake):
        parse(source)


def test_every_helper_is_in_the_tables_by_one_of_its_spellings() -> None:
    chance = {
        "rand_char",
        "rand_base",
        "rand_text_alphanumeric",
        "rand_text_alpha",
        "rand_text_numeric",
        "rand_int",
        "rand_ip",
    }
    elsewhere = chance | {"zip", "aes_gcm", "regex_any", "regex_all", "sha512", "zlib"}
    shown = " ".join([*HELPERS, *OPERATORS])
    names = {function.name for function in FUNCTIONS.values()} - elsewhere
    assert [
        name for name in sorted(names) if f"{name}(" not in shown and f"{name.replace('_', '')}(" not in shown
    ] == []


RANDOM = {
    "rand_base(5)": r"[a-zA-Z0-9]{5}",
    'rand_base(5, "abc")': r"[abc]{5}",
    "randbase(3)": r"[a-zA-Z0-9]{3}",
    "rand_char()": r"[a-zA-Z0-9]",
    "rand_text_alpha(10, 'abc')": r"[d-zA-Z]{10}",
    "rand_text_alphanumeric(8)": r"[a-zA-Z0-9]{8}",
    "rand_text_numeric(10, 123)": r"[4-90]{10}",
    "to_string(rand_int(5, 9))": r"[5-8]",
    'rand_ip("192.0.2.0/24")': r"192\.0\.2\.\d{1,3}",
}


@pytest.mark.parametrize(("source", "pattern"), RANDOM.items())
def test_random_helpers_draw_from_their_range_and_repeat_with_the_seed(source: str, pattern: str) -> None:
    drawn = [expression(source)(Variables({}, Context(f"seed {count}", NOW))) for count in range(30)]
    for one in drawn:
        assert isinstance(one, bytes)
        assert (
            expression(f"regex('^{pattern.replace(chr(92), chr(92) * 2)}$', found)")(Variables({"found": one})) is True
        )
    assert drawn == [expression(source)(Variables({}, Context(f"seed {count}", NOW))) for count in range(30)]
    assert len(set(map(str, drawn))) > 1


TEXTS = {
    "GET {{user}}": b"GET admin",
    "{{user}}{{user}}": b"adminadmin",
    '{{base64("{{user}}:{{n}}")}}': b"YWRtaW46NDE=",
    "{{md5(user)}}": b"21232f297a57a5a743894a0e4a801fc3",
    "{{to_lower(to_upper('A'))}}": b"a",
    "{{7*7}}": b"{{7*7}}",
    "{{'7'*7}}": b"{{'7'*7}}",
    "{{missing}} {{user}}": b"{{missing}} admin",
    "{{missing + 1}}": b"{{missing + 1}}",
    "{{a-b}}": b"dashed",
    "{{ user }}": b"admin",
    '{"a":{"b":{{n}}}}': b'{"a":{"b":41}}',
    '{{concat("{{user}}", "}}")}}': b"admin}}",
    "{{x.filter('y')}}": b"{{x.filter('y')}}",
    "§user§ §none§": "admin §none§".encode(),
    "{{base64('§user§')}}": b"YWRtaW4=",
    "{{len(list)}}": b"2",
    "{{to_number(n)+1}}": b"42",
    "{{": b"{{",
    "}}{{": b"}}{{",
}


@pytest.mark.parametrize(("source", "expected"), TEXTS.items())
def test_placeholders_in_text(source: str, expected: bytes) -> None:
    assert compiled(text_node(source))(Variables(VARIABLES)) == expected


def test_a_helper_that_is_not_run_is_named() -> None:
    for text in ("{{generate_java_gadget('a', 'b', 'c')}}", "{{public_ip()}}"):
        with pytest.raises(UnsupportedFunction):
            text_node(text)


def test_and_or_do_not_look_further_than_needed() -> None:
    assert value("false && missing") is False
    assert value("true || missing") is True


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_a_mistake(source: str) -> None:
    try:
        node = parse(source)
    except SyntaxMistake:
        return
    with suppress(EvaluationError):
        compiled(node)(Variables(VARIABLES))


@given(
    st.lists(st.sampled_from(["{{", "}}", "user", "(", ")", "'", '"', "§", "md5", ",", " ", "\n", "中"]), max_size=30)
)
def test_any_text_with_braces_can_be_filled_in(pieces: list[str]) -> None:
    source = "".join(pieces)
    assert isinstance(compiled(text_node(source))(Variables(VARIABLES)), bytes)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_equality_and_order_of_text_are_those_of_its_bytes(left: bytes, right: bytes) -> None:
    scope = Variables({"left": left, "right": right})
    assert expression("left == right")(scope) is (left == right)
    assert expression("left < right")(scope) is (left < right)


def _spellings() -> Iterator[tuple[str, str]]:
    yield from ((name, name.replace("_", "")) for name in FUNCTIONS if "_" in name)


def test_both_spellings_are_one_helper() -> None:
    for snake, together in _spellings():
        assert FUNCTIONS[snake] is FUNCTIONS[together]
