"""Bad and hostile reports, given to `secops findings import` on a real store: located, refused, bounded, all or none."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from secops.store.query import Query
from secops.store.sqlite_store import SqliteStore
from secops.support import language
from tests.cli.typed import Done, Findings, typed

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "exchange"
REPORTS = sorted(path for path in GOLDEN.iterdir() if not path.name.endswith(".expected.json"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "secops/inventory/sample_city.yaml", tmp_path / "inventory.yaml")
    (tmp_path / "jindun.yaml").write_text("state: state\n")
    return tmp_path


@pytest.fixture
def findings(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Findings]:
    """Runs the command line as `secops` does, in this process for speed."""
    monkeypatch.setenv("JINDUN_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object, lang: str = "en") -> Done:
        return typed(monkeypatch, capsys, "--lang", lang, "findings", *arguments)

    yield run
    language.choose(None)


def kept(home: Path) -> list[str]:
    """The last parts of the rules of all findings."""
    if not (home / "state" / "findings.sqlite").exists():
        return []
    with SqliteStore(home / "state" / "findings.sqlite") as store:
        return sorted(one.weakness.rule.rpartition(".")[2] for one in store.find(Query()).findings)


def evaluated(home: Path) -> int:
    if not (home / "state" / "findings.sqlite").exists():
        return 0
    with SqliteStore(home / "state" / "findings.sqlite") as store:
        return len(store.coverage())


def nuclei(template: str, words: str = "words") -> bytes:
    line = {
        "template-id": template,
        "info": {"name": words, "severity": "high", "description": words},
        "type": "http",
        "matched-at": "https://health.city.example/",
    }
    return json.dumps(line, ensure_ascii=False).encode()


def nmap(port: int) -> bytes:
    """One host of the sample city with one open port."""
    opened = f"<ports><port protocol='tcp' portid='{port}'><state state='open'/></port></ports>"
    return f"<host><status state='up'/><address addr='10.20.1.11' addrtype='ipv4'/>{opened}</host>\n".encode()


GOOD = nuclei("good")
LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
BAD: dict[str, tuple[bytes, str]] = {
    "cut-json-line": (GOOD + b"\n" + GOOD[:40], "2:41: not valid JSON; it may be cut short"),
    "not-an-object": (GOOD + b"\n\n[1]\n", "3:1: a JSON object is expected"),
    "gbk": (GOOD + b"\n" + nuclei("b", "漏洞").decode().encode("gbk"), "not UTF-8"),
    "latin": (GOOD + b"\n" + nuclei("b").replace(b"words", b"caf\xe9"), "2:43: not UTF-8"),
    "utf-16-later": (GOOD + b"\n" + nuclei("b").decode().encode("utf-16"), "2:1: not UTF-8; it looks like UTF-16"),
    "nul-byte": (GOOD + b"\n" + GOOD.replace(b"words", b"wo\0rds"), "2:45: not valid JSON"),
    "key-twice": (GOOD + b"\n" + GOOD[:-1] + b',"type":"dns"}', '2:157: the key "type" is twice in one object'),
    "huge-number": (GOOD + b'\n{"template-id":1e999}', "2:16: a number is too large"),
    "deep": (GOOD + b"\n" + b'{"a":' * 50_000, "2:5122: nested too deeply"),
    "required-missing": (GOOD + b'\n{"matched-at":"x","info":{}}', "2:1: template-id / templateID is missing"),
    "wrong-kind": (GOOD + b'\n{"template-id":{},"matched-at":"x"}', "2:1: template-id should be text"),
    "cut-xml": (b"<nmaprun>\n" + nmap(23) + b"<host><stat", "3:7: not well-formed XML; it may be cut short"),
    "laughs": (b"<!DOCTYPE nmaprun [\n<!ENTITY l0 'ha'>" + LAUGHS + b"]>\n<nmaprun>&l9;</nmaprun>", "2:13: the XML defines"),
    "quadratic": (b"<!DOCTYPE nmaprun [<!ENTITY a '" + b"a" * 50_000 + b"'>]><nmaprun>" + b"&a;" * 50_000, "1:31: the XML"),
    "outside": (b'<!DOCTYPE nmaprun [<!ENTITY f SYSTEM "file:///etc/hostname">]><nmaprun>&f;</nmaprun>', "1:60: the XML"),
    "parameter": (b'<!DOCTYPE nmaprun [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x"> %p;]><nmaprun/>', "1:62: the XML"),
    "undefined-entity": (b"<nmaprun>\n&no;</nmaprun>", "2:1: not well-formed XML"),
    "deep-xml": (b"<nmaprun>\n" + b"<a>" * 50_000, "2:601: elements are nested deeper than 200"),
    "gbk-xml": ("<?xml version='1.0' encoding='GBK'?><nmaprun>漏</nmaprun>".encode("gbk"), "1:1: the encoding of the XML"),
    "nul-xml": (b"<nmaprun>\n" + nmap(23) + b"\0</nmaprun>", "3:1: not well-formed XML"),
    "no-port": (b"<nmaprun>\n" + nmap(23) + nmap(99999) + b"</nmaprun>", "host[2]: no port number: '99999'"),
    "cut-document": (b'{"version":"2.1.0",\n"runs":[{', "2:10: not valid JSON; it may be cut short"),
    "bad-result": (b'{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"x"}},"results":[{},{"level":7}]}]}', "runs[0]"),
    "utf-16": (GOOD.decode().encode("utf-16"), "cannot tell what kind of report"),
    "empty": (b"", "the file is empty"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_report_is_located_and_nothing_of_it_is_kept(home: Path, findings: Findings, name: str) -> None:
    content, sentence = BAD[name]
    (home / name).write_bytes(content)
    done = findings("import", home / name)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{home / name}:{sentence}" in done.stderr or (f"{home / name}" in done.stderr and sentence in done.stderr)
    assert "Traceback" not in done.stderr and len(done.stderr) < 1000
    assert evaluated(home) == 0
    said = findings("import", home / name, lang="zh").stderr
    assert any("\u4e00" <= letter <= "\u9fff" for letter in said)


@pytest.mark.parametrize("name", [name for name, (content, _) in BAD.items() if content.startswith(GOOD)])
def test_keep_good_keeps_all_that_came_before_and_no_more(home: Path, findings: Findings, name: str) -> None:
    (home / name).write_bytes(BAD[name][0] + b"\n" + nuclei("after"))
    done = findings("import", home / name, "--keep-good", "--format", "nuclei")
    assert done.returncode == 2 and f"{home / name}:" in done.stderr
    assert kept(home) == ["good"]


def test_keep_good_keeps_the_records_of_xml_before_the_bad_one(home: Path, findings: Findings) -> None:
    (home / "r.xml").write_bytes(b"<nmaprun>\n" + nmap(23) + nmap(99999) + nmap(24) + b"</nmaprun>")
    done = findings("import", home / "r.xml", "--keep-good", "--json")
    assert done.returncode == 2 and json.loads(done.stdout)["records"] == 3, "two of the first host, one of the second"
    assert "host[2]" in json.loads(done.stdout)["stopped_at"]


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.stem)
def test_a_golden_report_that_is_cut_anywhere_is_refused_or_whole_lines(
    home: Path, findings: Findings, path: Path
) -> None:
    body = path.read_bytes().rstrip()
    cut = home / path.name
    for share in (0.3, 0.6, 0.9):
        cut.write_bytes(body[: int(len(body) * share)])
        done = findings("import", cut, "--format", path.stem)
        assert done.returncode == 2 and f"{cut}:" in done.stderr
    assert evaluated(home) == 0


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b""], ids=["mark", "no mark"])
def test_a_mark_before_utf_8_is_no_mistake(home: Path, findings: Findings, mark: bytes) -> None:
    (home / "r.jsonl").write_bytes(mark + GOOD)
    assert findings("import", home / "r.jsonl").returncode == 0
    assert kept(home) == ["good"]


def test_xml_may_be_in_utf_16(home: Path, findings: Findings) -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><nmaprun>' + nmap(23).decode() + "</nmaprun>"
    (home / "r.xml").write_bytes(text.encode("utf-16"))
    done = findings("import", home / "r.xml", "--format", "nmap", "--json")
    assert json.loads(done.stdout)["records"] == 2


def test_a_directory_and_an_unreadable_file_are_told(home: Path, findings: Findings) -> None:
    for path, sentence in (
        (home, "Is a directory"),
        (home / "none", "No such file"),
        (Path("/proc/self/mem"), "cannot"),
    ):
        done = findings("import", path, "--format", "nuclei")
        assert done.returncode == 2 and sentence in done.stderr and str(path) in done.stderr
    locked = home / "locked"
    locked.write_bytes(GOOD)
    locked.chmod(0)
    done = findings("import", locked)
    assert os.geteuid() == 0 or (done.returncode == 2 and "Permission denied" in done.stderr)


def test_a_record_of_nul_and_long_texts_is_kept_short(home: Path, findings: Findings) -> None:
    (home / "r.jsonl").write_bytes(nuclei("good", "a\\u0000" + "漏" * 9000).replace(b"\\\\u0000", b"\\u0000"))
    assert findings("import", home / "r.jsonl").returncode == 0
    assert (home / "state" / "findings.sqlite").stat().st_size < 1 << 20


# --- formulas


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n=", "＝", " =", "'="])
def test_a_formula_in_a_report_is_text_in_the_table(home: Path, findings: Findings, start: str) -> None:
    words = f'{start}cmd|"/C calc"!A0,"'
    (home / "r.jsonl").write_bytes(nuclei("good", words))
    assert findings("import", home / "r.jsonl").returncode == 0
    assert findings("export", "--format", "csv", "--output", home / "out.csv").returncode == 0
    (row,) = csv.DictReader(io.StringIO((home / "out.csv").read_bytes().decode(), newline=""))
    assert not [
        cell for cell in row.values() if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
    ]
    assert row["title"].removeprefix("'") == words.strip()


# --- size


HUGE = {
    "nuclei": (b'{"template-id":"a","matched-at":"', "-:1:1: a line is larger than 8 MiB"),
    "sarif": (b'{"version":"2.1.0","runs":"', "the file is larger than 64 MiB"),
    "nmap": (b"<nmaprun><!-- ", "no element ends within 4 MiB"),
    "openscap": (b"<Benchmark xmlns='http://checklists.nist.gov/xccdf/1.2'><title>", "no element ends within 4 MiB"),
}
MEGABYTE = b"a" * (1 << 20)


@pytest.mark.slow
@pytest.mark.parametrize("format", HUGE)
def test_a_gigabyte_of_one_line_is_left_with_little_memory_and_time(home: Path, format: str) -> None:
    head, sentence = HUGE[format]
    usual, *_ = taken_in(home, "nuclei", GOOD, 0)
    most, code, said, read = taken_in(home, format, head, 1024)
    assert code == 2 and sentence in said
    assert read < 100 and most - usual < 200 << 20


def taken_in(home: Path, format: str, head: bytes, megabytes: int) -> tuple[int, int, str, int]:
    """Of an import in a process of its own: bytes of memory at most, exit code, messages and the megabytes it took."""
    arguments = ["findings", "import", "-", "--format", format]
    command = [sys.executable, "-c", "from secops.cli.main import main; main()", *arguments]
    environment = {**os.environ, "JINDUN_HOME": str(home), "JINDUN_LANG": "en", "PYTHONPATH": str(ROOT)}
    given = 0
    with (home / "messages").open("w+") as messages:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=messages
        )
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(head)
            while given < megabytes:
                pipe.write(MEGABYTE)
                given += 1
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        messages.seek(0)
        return usage.ru_maxrss << 10, process.returncode, messages.read(), given
