"""What web checks find in the vulnerable applications of the tests, and what they find in vain; Wapiti beside them.

`benchmarks/web_accuracy.py [--only TEXT] [--no-wapiti]`. Each flaw has a fixed twin: found in a flaw counts for recall,
anything found in a twin is a false positive. Wapiti crawls from a page that links everything that can be crawled to, so
it is measured on these flaws alone, and so are ours beside it. It runs without the modules that ask a public server.
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
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.lab.certificates import issue
from tests.lab.vulnerable.lab import Flaw, Lab, manifest, running_lab
from tests.lab.vulnerable.trying import Tried, Trying

LEAST_RECALL = 0.9
MOST_FALSE = 0
_WAPITI_MODULES = (
    "sql,timesql,xss,permanentxss,exec,file,redirect,crlf,upload,csrf,cookieflags,http_headers,csp,ldap,backup"
)
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
    wapiti: int = 0
    wapiti_false: int = 0
    missed: list[str] = field(default_factory=list)


def wapiti_program(folder: Path) -> str:
    """Wapiti: named by WAPITI, installed, or installed now in an environment of its own; empty when it cannot be."""
    known = os.environ.get("WAPITI") or shutil.which("wapiti")
    if known:
        return known
    pythons = [shutil.which(name) for name in ("python3.13", "python3.12")]
    for python in (*filter(None, pythons), sys.executable):
        try:
            subprocess.run([python, "-m", "venv", folder], check=True, capture_output=True, timeout=120)
            install = [folder / "bin/python", "-m", "pip", "install", "--quiet", "wapiti3"]
            subprocess.run(install, check=True, capture_output=True, timeout=300)
        except (subprocess.SubprocessError, OSError):
            continue
        return str(folder / "bin/wapiti")
    return ""


def run_wapiti(program: str, lab: Lab, folder: Path) -> tuple[dict[str, set[str]], dict[str, float]]:
    """Classes by path, and the seconds that each application took."""
    found: dict[str, set[str]] = defaultdict(set)
    seconds = {}
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
            print(f"wapiti: {app} was not done after {_SECONDS_FOR_AN_APP} s")
        seconds[app] = time.monotonic() - started
        if report.exists():
            for name, entries in json.loads(report.read_text())["vulnerabilities"].items():
                for entry in entries:
                    found[app + urlsplit(entry["path"]).path] |= _WAPITI_CLASSES.get(name, set())
    return found, seconds


async def run_ours(lab: Lab, flaws: list[Flaw], at_once: int) -> list[Tried]:
    """Every check at every flaw and twin."""
    async with Trying(lab) as trying:
        return await trying.try_all(flaws, at_once)


def counted(tried: list[Tried], wapiti: dict[str, set[str]] | None) -> dict[str, Count]:
    """By class; what is found in vain counts for the class that it was taken for."""
    counts: dict[str, Count] = defaultdict(Count)
    for one in tried:
        flaw, count = one.flaw, counts[one.flaw.weakness]
        for wrong in one.wrong:
            counts[wrong].false += 1
        if flaw.weakness == "none":
            continue
        comparable = flaw.crawlable and flaw.app != "tls" and flaw.weakness not in _NOT_ASKED_OF_WAPITI
        theirs = (wapiti or {}).get(f"{flaw.app}/{'flawed' if one.flawed else 'fixed'}{flaw.path}", set())
        if not one.flawed:
            count.wapiti_false += bool(theirs - _GENERAL)
            continue
        count.flaws += 1
        count.found += one.right
        count.missed += [] if one.right else [flaw.name]
        if comparable:
            count.crawlable += 1
            count.found_crawlable += one.right
            count.wapiti += bool(theirs & {flaw.weakness, *flaw.also})
    return dict(sorted(counts.items()))


def print_table(counts: dict[str, Count], with_wapiti: bool) -> None:
    """One line a class."""
    table = Table(
        "class", "flaws", "found", "recall", "false positives", title="vulnerable applications and their fixed twins"
    )
    if with_wapiti:
        for name in ("crawlable", "ours", "wapiti", "wapiti false"):
            table.add_column(name)
    for name, count in counts.items():
        recall = f"{count.found / count.flaws:.0%}" if count.flaws else "-"
        row = [name, str(count.flaws), str(count.found), recall, str(count.false)]
        if with_wapiti:
            row += [str(n) for n in (count.crawlable, count.found_crawlable, count.wapiti, count.wapiti_false)]
        table.add_row(*row)
    Console(width=120).print(table)
    for name, count in counts.items():
        if count.missed:
            print(f"missed, {name}: {', '.join(count.missed)}")


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
        program = "" if given.no_wapiti else wapiti_program(folder / "wapiti")
        theirs: dict[str, set[str]] | None = None
        if program:
            # A fresh laboratory: ours has stored scripts in the first.
            with running_lab() as lab:
                theirs, took = run_wapiti(program, lab, folder)
            print("wapiti:", ", ".join(f"{app} {spent:.0f} s" for app, spent in took.items()))
        elif not given.no_wapiti:
            print("wapiti could not be installed here; nothing to compare with")
    if absent:
        print(f"not installed, and therefore not tried: {', '.join(sorted(absent))}")
    counts = counted(tried, theirs)
    print_table(counts, theirs is not None)
    print_requests(tried)
    flaws_tried = sum(count.flaws for count in counts.values())
    recall = sum(count.found for count in counts.values()) / flaws_tried
    false = sum(bool(one.wrong) for one in tried)
    sent = sum(one.sent for one in tried)
    print(f"{len(tried)} places, {sent} requests, {sent / len(tried):.0f} a place, {seconds:.0f} s")
    crawlable = sum(count.crawlable for count in counts.values())
    ours = sum(count.found_crawlable for count in counts.values()) / crawlable if crawlable else 0.0
    peer = sum(count.wapiti for count in counts.values()) / crawlable if theirs is not None and crawlable else None
    ok = recall >= LEAST_RECALL and false <= MOST_FALSE
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
        "peer_false_positives": sum(count.wapiti_false for count in counts.values()) if theirs is not None else None,
        "requests_per_place": round(sent / len(tried), 1),
    }
    print(json.dumps(summary))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
