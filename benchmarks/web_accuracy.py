"""What web checks find in the vulnerable applications of the tests, and what they find in vain; Wapiti beside them.

`python -m benchmarks.web_accuracy [--only TEXT] [--no-cli] [--no-wapiti]`. Each flaw has a fixed twin: found in a flaw counts
for recall, anything found in a twin is a false positive. First every check at every flaw, then `secops scan web` as
somebody types it, from a page that links everything that can be crawled to: crawl, relevance, checks, ledger. Wapiti
crawls from the same page. Both are measured on these flaws alone. It runs without the modules that ask a public server.

A check that measures delays waits for them, so it takes minutes: what is done is told as it goes.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from tests.lab.certificates import issue
from tests.lab.vulnerable.lab import Flaw, Lab, manifest, running_lab
from tests.lab.vulnerable.trying import OTHER, OWN, Tried, Trying

LEAST_RECALL = 0.9
MOST_FALSE = 0
_WAPITI_MODULES = (
    "sql,timesql,xss,permanentxss,exec,file,redirect,crlf,upload,csrf,cookieflags,http_headers,csp,ldap,backup"
)
_TOLD_EVERY = 25
_SECONDS_FOR_A_MODULE = 60
_SECONDS_FOR_AN_APP = 900
_WAPITI_CLASSES = {
    "SQL Injection": {"sqli"},
    "Blind SQL Injection": {"sqli"},
    "Reflected Cross Site Scripting": {"xss"},
    "Stored Cross Site Scripting": {"xss"},
    "Command execution": {"cmdi", "codeinj", "ssti"},
    "Path Traversal": {"pathtraver"},
    "Open Redirect": {"redirect"},
    "CRLF Injection": {"crlf"},
    "Unrestricted File Upload": {"upload"},
    "LDAP Injection": {"ldapi"},
    "Cross Site Request Forgery": {"csrf"},
    "HttpOnly Flag cookie": {"securecookie"},
    "Content Security Policy Configuration": {"headers"},
    "MIME Type Confusion": {"headers"},
    "Clickjacking Protection": {"headers"},
    "Backup file": {"exposure"},
    "Potentially dangerous file": {"exposure"},
}
_NOT_ASKED_OF_WAPITI = frozenset({"ssrf", "xxe"})
"""Its modules for these ask a public server of its makers."""
_GENERAL = frozenset({"csrf", "headers", "securecookie"})
"""What is true of a page as a whole is no false positive of Wapiti, whatever else the page is there for."""


@dataclass
class Count:
    """One class."""

    flaws: int = 0
    found: int = 0
    false: int = 0
    crawlable: int = 0
    found_crawlable: int = 0
    scannable: int = 0
    scanned: int = 0
    """Of these, found by `secops scan web`."""
    scanned_false: int = 0
    wapiti: int = 0
    wapiti_false: int = 0
    missed: list[str] = field(default_factory=list)
    unscanned: list[str] = field(default_factory=list)


def tell(text: str) -> None:
    """At once, also into a file."""
    print(text, flush=True)


def wapiti_program(folder: Path) -> str:
    """Wapiti: named by WAPITI, installed, or installed now in an environment of its own; empty, and told why, when it
    cannot be.
    """
    known = os.environ.get("WAPITI") or shutil.which("wapiti")
    if known:
        return known
    because = "no Python"
    pythons = [shutil.which(name) for name in ("python3.13", "python3.12")]
    for python in (*filter(None, pythons), sys.executable):
        try:
            subprocess.run([python, "-m", "venv", "--clear", folder], check=True, capture_output=True, timeout=120)
            install = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "wapiti3"]
            subprocess.run(install, check=True, capture_output=True, timeout=600)
        except subprocess.CalledProcessError as error:
            because = error.stderr.decode(errors="replace").strip().rpartition("\n")[2] or str(error)
            continue
        except (subprocess.TimeoutExpired, OSError) as error:
            because = str(error)
            continue
        return str(folder / "bin/wapiti")
    tell(f"wapiti is left out, it could not be installed: {because}")
    return ""


def run_wapiti(program: str, lab: Lab, folder: Path) -> dict[str, set[str]]:
    """Classes by path."""
    found: dict[str, set[str]] = defaultdict(set)
    for app in lab.ports:
        if app == "tls":
            continue
        report, started = folder / f"{app}.json", time.monotonic()
        command = [
            program, "-u", lab.url(app, "/"), "--scope", "domain", "-d", "2", "-m", _WAPITI_MODULES, "-f", "json",
            "-o", str(report), "--flush-session", "--no-bugreport", "--store-session", str(folder / "sessions"),
            "--max-attack-time", str(_SECONDS_FOR_A_MODULE), "-v", "0",
        ]  # fmt: skip
        try:
            subprocess.run(command, capture_output=True, timeout=_SECONDS_FOR_AN_APP)
        except subprocess.TimeoutExpired:
            tell(f"wapiti: {app} was not done after {_SECONDS_FOR_AN_APP} s")
        tell(f"wapiti: {app} took {time.monotonic() - started:.0f} s")
        if report.exists():
            for name, entries in json.loads(report.read_text())["vulnerabilities"].items():
                for entry in entries:
                    found[app + urlsplit(entry["path"]).path] |= _WAPITI_CLASSES.get(name, set())
    return found


def run_cli(lab: Lab, folder: Path) -> dict[str, set[str]]:
    """Classes by path, as `run_wapiti`. An incomplete scan is told."""
    found: dict[str, set[str]] = defaultdict(set)
    for app in lab.ports:
        if app == "tls":
            continue
        output, started = folder / f"{app}.jsonl", time.monotonic()
        command: list[str] = [
            sys.executable, "-m", "secops", "scan", "web", lab.url(app, "/"), "--no-shipped", "--profile", "intrusive",
            "--rate", "2000", "--scope", "127.0.0.0/8", "--approved-by", "benchmark", "--output", str(output),
            *(list(_sessions(lab, folder)) if app == "flask" else list[str]()),
        ]  # fmt: skip
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "JINDUN_HOME": ""}
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, check=False)
        if done.returncode not in (0, 1):
            tell(f"secops scan web: {app} ended with {done.returncode}: {done.stderr[-500:]}")
        tell(f"secops scan web: {app} took {time.monotonic() - started:.0f} s")
        for line in output.read_text(encoding="utf-8").splitlines() if output.exists() else ():
            row = json.loads(line)
            found[app + urlsplit(row["url"]).path].add(row["class"])
    return found


def _sessions(lab: Lab, folder: Path) -> Iterator[str]:
    """Two people who are logged in already."""
    for cookie in (OWN, OTHER):
        (folder / f"{cookie}.txt").write_text(f"127.0.0.1\tFALSE\t/\tFALSE\t0\twho\t{cookie}\n")
        session = folder / f"{cookie}.yaml"
        probe = lab.url("flask", "/fixed/idor/news?id=1")
        session.write_text(f"probe: {{url: '{probe}', shows: holidays}}\ncookies: {{file: {cookie}.txt}}\n")
        yield from ("--session", str(session))


async def run_ours(lab: Lab, flaws: list[Flaw], at_once: int) -> list[Tried]:
    """Every check at every flaw and twin."""
    done = 0

    def on_tried(tried: Tried) -> None:
        nonlocal done
        done += 1
        if not tried.right:
            tell(f"{'missed' if tried.flawed else 'found in vain'}: {tried.flaw.name}")
        if done % _TOLD_EVERY == 0:
            tell(f"{done} places tried")

    async with Trying(lab) as trying:
        return await trying.try_all(flaws, at_once, on_tried)


def counted(
    tried: list[Tried], scanned: dict[str, set[str]] | None, wapiti: dict[str, set[str]] | None
) -> dict[str, Count]:
    """By class; what is found in vain counts for the class that it was taken for."""
    counts: dict[str, Count] = defaultdict(Count)
    for one in tried:
        flaw, count = one.flaw, counts[one.flaw.weakness]
        for wrong in one.wrong:
            counts[wrong].false += 1
        if flaw.weakness == "none":
            continue
        ours = _at(scanned or {}, flaw, one.flawed)
        comparable = flaw.crawlable and flaw.app != "tls" and flaw.weakness not in _NOT_ASKED_OF_WAPITI
        theirs = (wapiti or {}).get(f"{flaw.app}/{'flawed' if one.flawed else 'fixed'}{flaw.path}", set())
        if not one.flawed:
            count.scanned_false += bool(ours)
            count.wapiti_false += bool(theirs - _GENERAL)
            continue
        count.flaws += 1
        count.found += one.right
        count.missed += [] if one.right else [flaw.name]
        if flaw.crawlable and flaw.app != "tls":
            count.scannable += 1
            count.scanned += flaw.weakness in ours
            count.unscanned += [] if flaw.weakness in ours else [flaw.name]
        if comparable:
            count.crawlable += 1
            count.found_crawlable += one.right
            count.wapiti += bool(theirs & {flaw.weakness, *flaw.also})
    return dict(sorted(counts.items()))


def _at(found: dict[str, set[str]], flaw: Flaw, flawed: bool) -> set[str]:
    """What was found at a flaw or its twin, and below."""
    place = f"{flaw.app}/{'flawed' if flawed else 'fixed'}{flaw.path}"
    below = place.rstrip("/") + "/"
    return {kind for path, kinds in found.items() if path == place or path.startswith(below) for kind in kinds}


def print_table(counts: dict[str, Count], with_cli: bool, with_wapiti: bool) -> None:
    """One line a class."""
    table = Table(
        "class", "flaws", "found", "recall", "false positives", title="vulnerable applications and their fixed twins"
    )
    names = ("scannable", "scanned", "scanned false") if with_cli else ()
    for name in (*names, *(("crawlable", "ours", "wapiti", "wapiti false") if with_wapiti else ())):
        table.add_column(name)
    for name, count in counts.items():
        recall = f"{count.found / count.flaws:.0%}" if count.flaws else "-"
        row = [count.scannable, count.scanned, count.scanned_false] if with_cli else []
        row += [count.crawlable, count.found_crawlable, count.wapiti, count.wapiti_false] if with_wapiti else []
        table.add_row(name, str(count.flaws), str(count.found), recall, str(count.false), *map(str, row))
    Console(width=120).print(table)
    for name, count in counts.items():
        if count.missed:
            print(f"missed, {name}: {', '.join(count.missed)}")
        if with_cli and count.unscanned:
            print(f"missed by secops scan web, {name}: {', '.join(count.unscanned)}")


def print_requests(tried: list[Tried]) -> None:
    """How many requests a check takes where nothing is wrong, and where something is."""
    table = Table("check", "at clean places", "at flaws of its own", title="requests of one check at one place (mean)")
    clean: dict[str, list[int]] = defaultdict(list)
    own: dict[str, list[int]] = defaultdict(list)
    for one in tried:
        rules = {rule.partition(".")[0] for rules in one.found.values() for rule in rules}
        for check, sent in one.sent_by.items():
            (own if check in rules else clean)[check].append(sent)
    for check in sorted({*clean, *own}):
        means = (f"{statistics.mean(sent):.1f}" if sent else "-" for sent in (clean[check], own[check]))
        table.add_row(check, *means)
    Console(width=120).print(table)


def main() -> int:
    """Measure, print; 1 when a target is missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="", help="flaws whose name has this")
    options.add_argument("--no-cli", action="store_true")
    options.add_argument("--no-wapiti", action="store_true")
    options.add_argument("--at-once", type=int, default=6)
    given = options.parse_args()
    flaws = [flaw for flaw in manifest() if given.only in flaw.name]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        issued = issue(folder, "127.0.0.1")
        with running_lab((issued.certificate_file, issued.key_file)) as lab:
            absent = {"php", "node"} - lab.ports.keys()
            started = time.monotonic()
            tried = asyncio.run(run_ours(lab, flaws, given.at_once))
            seconds = time.monotonic() - started
        scanned: dict[str, set[str]] | None = None
        if not given.no_cli and not given.only:
            # A fresh laboratory: the checks have left scripts in the first.
            with running_lab() as lab:
                scanned = run_cli(lab, folder)
        program = "" if given.no_wapiti else wapiti_program(folder / "wapiti")
        theirs: dict[str, set[str]] | None = None
        if program:
            with running_lab() as lab:
                theirs = run_wapiti(program, lab, folder)
    if absent:
        print(f"not installed, and therefore not tried: {', '.join(sorted(absent))}")
    counts = counted(tried, scanned, theirs)
    print_table(counts, scanned is not None, theirs is not None)
    print_requests(tried)
    flaws_tried = sum(count.flaws for count in counts.values())
    recall = sum(count.found for count in counts.values()) / flaws_tried
    false = sum(bool(one.wrong) for one in tried)
    sent = sum(one.sent for one in tried)
    print(f"{len(tried)} places, {sent} requests, {sent / len(tried):.0f} a place, {seconds:.0f} s")
    crawlable = sum(count.crawlable for count in counts.values())
    ours = sum(count.found_crawlable for count in counts.values()) / crawlable if crawlable else 0.0
    peer = sum(count.wapiti for count in counts.values()) / crawlable if theirs is not None and crawlable else None
    scannable = sum(count.scannable for count in counts.values())
    through = sum(count.scanned for count in counts.values()) / scannable if scanned is not None else None
    through_false = sum(count.scanned_false for count in counts.values())
    ok = (through is None or through >= LEAST_RECALL) and through_false <= MOST_FALSE
    ok = ok and recall >= LEAST_RECALL and false <= MOST_FALSE
    summary = {
        "name": "web_accuracy",
        "ours": round(recall, 3),
        "peer": round(peer, 3) if peer is not None else None,
        "ratio": round(ours / peer, 2) if peer else None,
        "target": LEAST_RECALL,
        "ok": ok,
        "flaws": flaws_tried,
        "false_positives": false,
        "ours_crawlable": round(ours, 3),
        "scan_recall": round(through, 3) if through is not None else None,
        "scan_false_positives": through_false if scanned is not None else None,
        "peer_false_positives": sum(count.wapiti_false for count in counts.values()) if theirs is not None else None,
        "requests_per_place": round(sent / len(tried), 1),
    }
    print(json.dumps(summary))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
