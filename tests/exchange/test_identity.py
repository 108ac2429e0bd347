"""What changes between two reports while the problem stays makes no other finding; what tells problems apart does."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secops.exchange.importer import all_importers
from secops.exchange.reported import known_number, place_of_package
from tests.exchange.city import gathered

Identity = tuple[str, str, str, str, tuple[str, ...]]


@dataclass(frozen=True)
class Problem:
    """What a finding is."""

    cve: int
    path: str
    parameters: frozenset[str]
    port: int
    package: str
    rule: int

    @property
    def number(self) -> str:
        return f"CVE-2026-{self.cve}"


@dataclass(frozen=True)
class Circumstances:
    """What may be otherwise in the next report."""

    severity: int
    words: str
    version: str
    """Of the program at fault, and so its banner."""
    tool: str
    """Version of the tool."""
    values: str
    reverse: bool
    host: str
    scheme: str
    written_port: bool
    """Whether the default port is written out."""
    alias_first: bool
    """Whether numbers of other registers come before the CVE."""
    number: int
    """In a path, like that of an article."""

    def origin(self, port: int) -> str:
        written = f":{port}" if self.written_port or port != 443 else ""
        return f"{self.scheme}://{self.host}{written}"

    def url(self, problem: Problem) -> str:
        names = sorted(problem.parameters, reverse=self.reverse)
        query = "&".join(f"{name}={self.values}" for name in names)
        return f"{self.origin(problem.port)}/{problem.path}/{self.number}" + (f"?{query}" if query else "")

    def numbers(self, problem: Problem) -> list[str]:
        both = [problem.number, f"GHSA-{problem.cve}-aaaa-bbbb", f"CNVD-2026-{problem.cve}"]
        return both[::-1] if self.alias_first else both


LETTERS = st.text("abcdefghij", min_size=1, max_size=6)
PROBLEMS = st.builds(
    Problem,
    cve=st.integers(1000, 99999),
    path=LETTERS,
    parameters=st.frozensets(LETTERS, max_size=3),
    port=st.sampled_from([443, 8443]),
    package=LETTERS,
    rule=st.integers(1, 999),
)
CIRCUMSTANCES = st.builds(
    Circumstances,
    severity=st.integers(0, 3),
    words=st.text("漏洞 abc.", max_size=20).map("某{}".format),
    version=st.tuples(*[st.integers(0, 99)] * 3).map(lambda parts: ".".join(map(str, parts))),
    tool=st.sampled_from(["1.0", "2.3", "3.0.1-rc1"]),
    values=st.text("xyz0123456789%", max_size=5),
    reverse=st.booleans(),
    host=st.sampled_from(["health.city.example", "HEALTH.City.Example", "health.city.example."]),
    scheme=st.sampled_from(["https", "HTTPS", "Https"]),
    written_port=st.booleans(),
    alias_first=st.booleans(),
    number=st.integers(0, 10**6),
)


def nuclei(problem: Problem, now: Circumstances) -> str:
    line = {
        "template-id": f"template-{problem.rule}",
        "info": {"name": now.words, "severity": ("info", "low", "high", "critical")[now.severity]},
        "type": "http",
        "host": now.origin(problem.port),
        "matched-at": now.url(problem),
        "extracted-results": [now.version],
        "template": f"http/{now.tool}.yaml",
    }
    return json.dumps(line)


def nuclei_number(problem: Problem, now: Circumstances) -> str:
    """A template that has the number of one register for its name; by an alias of the site, its address known."""
    line = {
        "template-id": now.numbers(problem)[0],
        "info": {"severity": "high", "name": now.words, "classification": {"cve-id": [problem.number.lower()]}},
        "type": "http",
        "ip": "192.0.2.11",
        "matched-at": now.url(replace(problem, port=443)).replace("health", "alias" if now.reverse else "health"),
    }
    return json.dumps(line)


def nuclei_port(problem: Problem, now: Circumstances) -> str:
    host = f"192.0.2.11:{problem.port}"
    kind = "network" if now.tool == "1.0" else "tcp"
    line = {"template-id": f"t-{problem.rule}", "info": {"name": now.words}, "type": kind, "host": host} | (
        {"matched-at": host, "port": str(problem.port)} if now.reverse else {"matched-at": host}
    )
    return json.dumps(line)


def zap(problem: Problem, now: Circumstances) -> str:
    parameter = min(problem.parameters, default="")
    instance = {"uri": now.url(problem), "method": "GET", "param": parameter, "attack": now.values}
    alert = {
        "pluginid": str(40000 + problem.rule),
        "name": now.words,
        "riskcode": str(now.severity),
        "desc": now.words,
        "instances": [instance],
    }
    return json.dumps({"@version": now.tool, "site": [{"@name": now.origin(problem.port), "alerts": [alert]}]})


def zap_cookie(problem: Problem, now: Circumstances) -> str:
    instance = {"uri": f"{now.origin(443)}/{now.words}?{now.values}", "method": "GET", "param": problem.package}
    alert = {"pluginid": "10010", "name": now.words, "riskcode": str(now.severity), "instances": [instance]}
    return json.dumps({"@version": now.tool, "site": [{"@name": now.origin(443), "alerts": [alert]}]})


def sarif_web(problem: Problem, now: Circumstances) -> str:
    result = {
        "ruleId": f"R{problem.rule}",
        "level": ("note", "warning", "error", "none")[now.severity],
        "message": {"text": now.words},
        "webRequest": {"method": "get" if now.reverse else "GET", "target": now.url(problem)},
    }
    return in_sarif([], result, now)


def sarif_file(problem: Problem, now: Circumstances) -> str:
    place = f"{problem.path}/{problem.package}-{now.version}.jar"
    number, *others = now.numbers(problem)
    rule = {"id": number, "deprecatedIds": others, "shortDescription": {"text": now.words}}
    where = {
        "artifactLocation": {"uri": ("./" if now.reverse else "") + place},
        "region": {"startLine": now.number + 1},
    }
    result = {"ruleId": number, "message": {"text": now.words}, "locations": [{"physicalLocation": where}]}
    return in_sarif([rule], result | {"properties": {"asset": "content"}}, now)


def in_sarif(rules: list[dict[str, Any]], result: dict[str, Any], now: Circumstances) -> str:
    driver = {"name": "Looker", "version": now.tool, "rules": rules}
    return json.dumps({"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": [result]}]})


def trivy_system(problem: Problem, now: Circumstances) -> str:
    return in_trivy({"Target": f"web (debian {now.version})", "Class": "os-pkgs", "Type": "debian"}, problem, now, {})


def trivy_library(problem: Problem, now: Circumstances) -> str:
    path = f"usr/lib/{problem.path}/site-packages/{problem.package}-{now.version}.dist-info/METADATA"
    return in_trivy({"Target": "Python", "Class": "lang-pkgs", "Type": "python-pkg"}, problem, now, {"PkgPath": path})


def in_trivy(result: dict[str, Any], problem: Problem, now: Circumstances, more: dict[str, str]) -> str:
    number, *others = now.numbers(problem)
    one = {
        "VulnerabilityID": number,
        "VendorIDs": others,
        "PkgName": problem.package,
        "PkgID": f"{problem.package}@{now.version}",
        "InstalledVersion": now.version,
        "Severity": ("LOW", "MEDIUM", "HIGH", "CRITICAL")[now.severity],
        "Title": now.words,
    }
    whole = {"SchemaVersion": 2, "ArtifactName": "192.0.2.11", "Trivy": {"Version": now.tool}}
    return json.dumps(whole | {"Results": [result | {"Vulnerabilities": [one | more]}]})


def trivy_misconfiguration(problem: Problem, now: Circumstances) -> str:
    id = {"1.0": {"ID": f"DS{problem.rule:03}", "AVDID": f"AVD-DS-{problem.rule:04}"}}.get(
        now.tool, {"ID": f"DS-{problem.rule:04}"}
    )
    one = id | {"Severity": "HIGH" if now.severity else "LOW", "Title": now.words, "Message": now.words}
    result = {"Target": problem.path, "Class": "config", "Misconfigurations": [one]}
    return json.dumps({"SchemaVersion": 2, "ArtifactName": "192.0.2.11", "Results": [result]})


def wazuh(problem: Problem, now: Circumstances) -> str:
    package = {"name": problem.package, "version": now.version, "architecture": "amd64"}
    flaw = {"cve": problem.number, "severity": ("Low", "Medium", "High", "Critical")[now.severity], "package": package}
    agent = {"id": str(now.number), "name": "web", "ip": "192.0.2.11"}
    rule = {"level": now.severity, "description": now.words, "id": str(23500 + now.severity)}
    return json.dumps({"agent": agent, "manager": {}, "rule": rule, "data": {"vulnerability": flaw}})


def wazuh_file(problem: Problem, now: Circumstances) -> str:
    rule = {"level": now.severity, "description": now.words, "id": str(problem.rule)}
    where = {"path": f"/srv/{problem.path}", "event": now.words}
    return json.dumps({"agent": {"name": "web", "ip": "192.0.2.11"}, "manager": {}, "rule": rule, "syscheck": where})


def dojo_web(problem: Problem, now: Circumstances) -> str:
    return in_dojo({"cwe": problem.rule, "endpoints": [now.url(problem)]}, now)


def dojo_package(problem: Problem, now: Circumstances) -> str:
    numbers = [{"vulnerability_id": one} for one in now.numbers(problem)]
    return in_dojo(
        {
            "vulnerability_ids": numbers,
            "service": "web",
            "component_name": problem.package,
            "component_version": now.version,
            "file_path": f"{problem.path}/{problem.package}-{now.version}.jar",
        },
        now,
    )


def in_dojo(more: dict[str, Any], now: Circumstances) -> str:
    severity = ("Low", "Medium", "High", "Critical")[now.severity]
    one = {"title": now.words, "description": now.words, "severity": severity} | more
    return json.dumps({"type": "Looker", "version": now.tool, "findings": [one]})


def nmap(problem: Problem, now: Circumstances) -> str:
    service = f"<service name='{'http' if now.reverse else 'https'}' product='p' version='{now.version}'/>"
    port = f"<port protocol='tcp' portid='{problem.port + 1}'><state state='open'/>{service}</port>"
    host = f"<address addr='192.0.2.11' addrtype='ipv4'/><hostnames><hostname name='{now.host}'/></hostnames>"
    return f"<nmaprun version='{now.tool}'><host><status state='up'/>{host}<ports>{port}</ports></host></nmaprun>"


def openscap(problem: Problem, now: Circumstances) -> str:
    severity = ("low", "medium", "high", "info")[now.severity]
    rule = f"<Rule id='rule_{problem.rule}'><title>{now.words}</title></Rule>"
    found = f"<result>fail</result><instance>/{problem.path}</instance><message>{now.version}</message>"
    result = f"<rule-result idref='rule_{problem.rule}' severity='{severity}'>{found}</rule-result>"
    tested = f"<TestResult version='{now.tool}'><target>192.0.2.11</target>{result}</TestResult>"
    return f"<Benchmark xmlns='http://checklists.nist.gov/xccdf/1.2'><version>{now.tool}</version>{rule}{tested}</Benchmark>"


def alertmanager(problem: Problem, now: Circumstances) -> str:
    labels = {"alertname": f"A{problem.rule}", "device": problem.package, "asset": "web", "version": now.version}
    labels |= {"severity": ("info", "warning", "critical", "page")[now.severity], "pod": now.words}
    alert = {"status": "firing", "labels": labels, "annotations": {"summary": now.words}}
    return json.dumps({"version": "4", "groupKey": now.words, "alerts": [alert]})


@dataclass(frozen=True)
class Case:
    """How one kind of report is written, and which parts of a problem it tells apart."""

    importer: str
    write: Callable[[Problem, Circumstances], str]
    tells: tuple[str, ...]


CASES = {
    one.write.__name__: one
    for one in (
        Case("nuclei", nuclei, ("rule", "path", "parameters", "port")),
        Case("nuclei", nuclei_number, ("cve", "path", "parameters")),
        Case("nuclei", nuclei_port, ("rule", "port")),
        Case("zap", zap, ("rule", "path", "port")),
        Case("zap", zap_cookie, ("package",)),
        Case("sarif", sarif_web, ("rule", "path", "parameters", "port")),
        Case("sarif", sarif_file, ("cve", "path", "package")),
        Case("trivy", trivy_system, ("cve", "package")),
        Case("trivy", trivy_library, ("cve", "package", "path")),
        Case("trivy", trivy_misconfiguration, ("rule", "path")),
        Case("wazuh", wazuh, ("cve", "package")),
        Case("wazuh", wazuh_file, ("rule", "path")),
        Case("defectdojo", dojo_web, ("rule", "path", "parameters", "port")),
        Case("defectdojo", dojo_package, ("cve", "package", "path")),
        Case("nmap", nmap, ("port",)),
        Case("openscap", openscap, ("rule", "path")),
        Case("alertmanager", alertmanager, ("rule", "package")),
    )
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def identity(case: Case, problem: Problem, now: Circumstances) -> Identity:
    """Of the only weakness in the report."""
    gathering = gathered(case.importer, case.write(problem, now).encode())
    assert not gathering.unmatched
    ((one, weakness),) = ((one, each) for one in gathering.evaluations(complete=False) for each in one.weaknesses)
    return one.asset, one.check, weakness.weakness_class.value, weakness.rule, weakness.locator


def test_every_importer_has_a_case() -> None:
    assert {case.importer for case in CASES.values()} == all_importers().keys()


@each_case
@settings(deadline=None, max_examples=60)
@given(problem=PROBLEMS, before=CIRCUMSTANCES, now=CIRCUMSTANCES)
def test_other_circumstances_are_the_same_finding(
    case: Case, problem: Problem, before: Circumstances, now: Circumstances
) -> None:
    assert identity(case, problem, before) == identity(case, problem, now)


@each_case
@settings(deadline=None, max_examples=60)
@given(data=st.data(), one=PROBLEMS, other=PROBLEMS, before=CIRCUMSTANCES, now=CIRCUMSTANCES)
def test_another_problem_is_another_finding(
    case: Case, data: st.DataObject, one: Problem, other: Problem, before: Circumstances, now: Circumstances
) -> None:
    part = data.draw(st.sampled_from(case.tells))
    changed = replace(one, **{part: getattr(other, part)})
    same = changed == one
    assert (identity(case, one, before) == identity(case, changed, now)) is same


@each_case
def test_the_version_of_what_is_installed_is_no_part_of_the_place(case: Case) -> None:
    problem = Problem(1234, "path", frozenset("q"), 8443, "package", 7)
    now = Circumstances(2, "words", "41.42.43", "1.0", "v", False, "health.city.example", "https", False, False, 5)
    assert "41.42.43" not in repr(identity(case, problem, now))


@pytest.mark.parametrize(
    ("first", "others", "number"),
    [
        ("CVE-2026-0001", ("CVE-2020-0001",), "CVE-2026-0001"),
        ("cve-2026-0001", (), "CVE-2026-0001"),
        ("GHSA-aaaa-bbbb-cccc", ("CNVD-2026-1", "CVE-2026-0002", "CVE-2026-0001"), "CVE-2026-0001"),
        ("CNVD-2021-30167", ("cve-2021-30167",), "CVE-2021-30167"),
        ("CNVD-C-2019-48814", (), "CNVD-C-2019-48814"),
        ("log4j-rce", ("CVE-2021-44228",), "log4j-rce"),
        ("go-pprof-exposed", ("CVE-2019-11248",), "go-pprof-exposed"),
    ],
)
def test_a_flaw_goes_by_its_cve(first: str, others: tuple[str, ...], number: str) -> None:
    assert known_number(first, *others) == number == known_number(first, *reversed(others))


@pytest.mark.parametrize(
    ("path", "installed", "place"),
    [
        ("app/lib/log4j-core-2.14.1.jar", "2.14.1", "app/lib/log4j-core-{version}.jar"),
        ("app/lib/log4j-core-2.14.1.jar", "", "app/lib/log4j-core-{version}.jar"),
        ("opt/tomcat-9.0.1/lib/a.jar", "3.0", "opt/tomcat-{version}/lib/a.jar"),
        ("specifications/rack-2.0.1.rc1.gemspec", "2.0.1.rc1", "specifications/rack-{version}.gemspec"),
        ("site-packages/a-1.dist-info/METADATA", "1", "site-packages/a-{version}.dist-info/METADATA"),
        ("usr/lib/python3.11/site-packages/a.py", "3.1", "usr/lib/python3.11/site-packages/a.py"),
        ("srv/app/requirements.txt", "2.0", "srv/app/requirements.txt"),
        ("news/2026-03-01/a.html", "", "news/2026-03-01/a.html"),
    ],
)
def test_a_place_has_no_version(path: str, installed: str, place: str) -> None:
    assert place_of_package(path, installed) == place


def test_a_path_of_a_megabyte_costs_no_time() -> None:
    for part in ("-1.1", "-1.1.1-", "1", "-" + "1" * 30 + ".", "-1.1a"):
        place_of_package(part * (1_000_000 // len(part)), "1.1")
