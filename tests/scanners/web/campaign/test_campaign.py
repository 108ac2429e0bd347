"""Templates run as one plan against real servers: what goes once, what is discarded, what went untested."""

import time
from collections import Counter
from pathlib import Path

import pytest
from flask import Flask, Response, abort, request

from scanners.safety import Safety
from scanners.web.campaign.journal import read_journal
from secops.model.outcome import Outcome
from secops.service.web_scanning import plan_web
from secops.service.web_wish import Job, WebWish
from secops.support.errors import BadInput
from tests.lab.sites import running_flask
from tests.scanners.web.campaign.scanning import SCOPE, outcomes, scanned, template

pytestmark = pytest.mark.slow


def _site() -> Flask:
    app = Flask("site")

    @app.get("/")
    def home() -> str:
        return "<title>Home</title> welcome to the start page"

    @app.get("/panel")
    def panel() -> str:
        return "welcome to the panel"

    return app


def test_one_request_serves_all_templates_that_ask_it(tmp_path: Path) -> None:
    for number in range(40):
        template(tmp_path, f"home-{number}", word="welcome" if number % 2 else "nothing of the kind")
    with running_flask(_site()) as site:
        ended = scanned(site.url, templates=(tmp_path,))
        assert site.asked.count("GET /") == 1 + 3  # the canary looks three times
    found = outcomes(ended)
    assert [found[f"home-{number}"] for number in range(40)] == ["tested_clean", "found"] * 20
    assert ended.tally.sent == 1
    assert ended.ledger.complete


def test_what_a_random_path_gives_as_well_is_discarded_and_told(tmp_path: Path) -> None:
    app = Flask("soft")

    @app.get("/")
    @app.get("/<path:anything>")
    def everything(anything: str = "") -> str:
        return "real secret" if anything == "real/secret.txt" else "welcome, whatever you ask"

    template(tmp_path, "soft", "/admin/secret.txt", "welcome")
    template(tmp_path, "real", "/real/secret.txt", "real secret")
    template(tmp_path, "start", "/", "welcome")
    with running_flask(app) as site:
        ended = scanned(site.url, templates=(tmp_path,))
        asked = list(site.asked)
    assert outcomes(ended) == {"soft": "tested_clean", "real": "found", "start": "found"}
    assert ended.ledger.discarded == 1
    assert "random path" in next(entry.reason.en for entry in ended.entries if entry.check.endswith("soft"))
    assert any(path.startswith("GET /admin/") and path.endswith(".txt") and "secret" not in path for path in asked)


def test_a_site_that_limits_rates_is_blocked_and_never_clean(tmp_path: Path) -> None:
    app = Flask("busy")

    @app.get("/<path:anything>")
    @app.get("/")
    def storm(anything: str = "") -> Response:
        return Response("slow down", 429)

    for number in range(60):
        template(tmp_path, f"t{number}", f"/p{number}", "welcome")
    with running_flask(app) as site:
        ended = scanned(site.url, templates=(tmp_path,), rate=5000.0)
        assert len(site.asked) < 200
    assert set(outcomes(ended).values()) == {"blocked"}
    assert not ended.ledger.complete
    assert len(ended.entries) == 60


def test_a_dead_site_is_unreachable_and_incomplete_while_the_other_is_tested(tmp_path: Path) -> None:
    template(tmp_path, "home")
    with running_flask(_site()) as site:
        ended = scanned(site.url, "http://127.0.0.1:9", templates=(tmp_path,))
    by_site = {entry.site: entry.outcome for entry in ended.entries}
    assert by_site == {site.url: Outcome.FOUND, "http://127.0.0.1:9": Outcome.UNREACHABLE}
    assert [one.site for one in ended.ledger.short()] == ["http://127.0.0.1:9"]


def test_nothing_is_sent_outside_the_scope(tmp_path: Path) -> None:
    template(tmp_path, "home")
    ended = scanned("http://192.0.2.7/", templates=(tmp_path,))
    assert [entry.outcome for entry in ended.entries] == [Outcome.SKIPPED]
    assert "authorised" in ended.entries[0].reason.en
    assert not ended.ledger.complete


def test_a_site_that_refuses_everything_is_blocked(tmp_path: Path) -> None:
    app = Flask("closed")

    @app.get("/")
    @app.get("/<path:anything>")
    def closed(anything: str = "") -> str:
        abort(403)

    template(tmp_path, "panel", "/panel")
    with running_flask(app) as site:
        ended = scanned(site.url, templates=(tmp_path,))
    assert outcomes(ended) == {"panel": "blocked"}


def test_a_firewall_page_is_no_answer_of_the_site(tmp_path: Path) -> None:
    app = Flask("guarded")

    @app.get("/")
    @app.get("/<path:anything>")
    def guarded(anything: str = "") -> str:
        return "<title>网站防火墙</title>" if anything else "welcome"

    template(tmp_path, "panel", "/panel", "not there")
    with running_flask(app) as site:
        ended = scanned(site.url, templates=(tmp_path,))
    assert outcomes(ended) == {"panel": "blocked"}


def test_templates_of_products_wait_until_something_names_them(tmp_path: Path) -> None:
    app = Flask("products")

    @app.get("/")
    def home() -> str:
        return "start"

    @app.get("/hidden")
    def hidden() -> str:
        return "this is Frobnicator 3"

    template(tmp_path, "panel", "/hidden", "Frobnicator", tags="panel", product="frobnicator")
    template(tmp_path, "flaw", "/hidden?flaw", "Frobnicator", product="frobnicator")
    template(tmp_path, "other", "/other", "x", product="blubberstore")
    with running_flask(app) as site:
        gated = scanned(site.url, templates=(tmp_path,))
        assert not any("/other" in path for path in site.asked)
        assert outcomes(gated) == {"panel": "found", "flaw": "found", "other": "skipped"}
        everything = scanned(site.url, templates=(tmp_path,), gating=False)
    assert outcomes(everything)["other"] == "tested_clean"
    assert "blubberstore" in next(entry.reason.en for entry in gated.entries if entry.check.endswith("other"))


def test_safe_scans_send_nothing_that_changes(tmp_path: Path) -> None:
    template(tmp_path, "post", "/", method="POST")
    template(tmp_path, "get", "/")
    with running_flask(_site()) as site:
        ended = scanned(site.url, templates=(tmp_path,), profile=Safety.SAFE)
        assert not any(line.startswith("POST") for line in site.asked)
    assert outcomes(ended) == {"post": "skipped", "get": "found"}


def test_two_scans_of_one_site_give_the_same(tmp_path: Path) -> None:
    for number in range(50):
        template(tmp_path, f"t{number}", f"/{'panel' if number % 7 == 0 else number}")
    with running_flask(_site()) as site:
        first, second = (scanned(site.url, templates=(tmp_path,)) for _ in range(2))
    assert outcomes(first) == outcomes(second)
    lines = [
        [found.line() for _, found in sorted(one.ledger.found, key=lambda pair: pair[0].check)]
        for one in (first, second)
    ]
    assert lines[0] == lines[1]
    assert len(lines[0]) == 8
    assert first.tally == second.tally


def test_jobs_run_each_template_against_its_own_target(tmp_path: Path) -> None:
    here, there = template(tmp_path, "a", "/panel"), template(tmp_path, "b", "/panel")
    with running_flask(_site()) as one, running_flask(_site()) as other:
        ended = scanned(jobs=(Job(here, one.url), Job(there, f"{other.url}/sub")))
        assert any("/panel" in line for line in one.asked)
        assert any("/sub/panel" in line for line in other.asked)
    assert {(entry.site, entry.check): entry.outcome.value for entry in ended.entries} == {
        (one.url, "template.a"): "found",
        (f"{other.url}/sub", "template.b"): "tested_clean",
    }


def test_a_scan_since_another_tests_what_is_new(tmp_path: Path) -> None:
    templates, journal = tmp_path / "t", tmp_path / "first.jsonl"
    template(templates, "old", "/nothing-here")
    with running_flask(_site()) as site:
        scanned(site.url, templates=(templates,), journal=journal)
        template(templates, "new", "/panel")
        site.asked.clear()
        ended = scanned(site.url, templates=(templates,), since=str(journal))
        assert not any("/nothing-here" in line for line in site.asked)
    assert outcomes(ended) == {"old": "skipped", "new": "found"}


def test_a_killed_scan_goes_on_without_repeating_what_is_done(tmp_path: Path) -> None:
    """The journal of a scan that ended, cut in the middle of a line, is what a kill leaves."""
    templates, journal = tmp_path / "t", tmp_path / "scan.jsonl"
    for number in range(30):
        template(templates, f"t{number:02}", f"/p{number}")
    with running_flask(_site()) as site:
        whole = scanned(site.url, templates=(templates,), journal=journal)
        content = journal.read_bytes()
        cut = content.splitlines(keepends=True)
        journal.write_bytes(b"".join(cut[:15]) + cut[15][:20])
        done = {entry.check.removeprefix("template.t") for entry in read_journal(journal).entries}
        site.asked.clear()
        resumed = scanned(site.url, templates=(templates,), journal=journal, resume=True)
        again = {line.removeprefix("GET /p") for line in site.asked if line.startswith("GET /p")}
    assert done and not {f"{int(number):02}" for number in again} & done
    assert outcomes(resumed) == outcomes(whole)
    assert resumed.id == whole.id
    assert read_journal(journal).ended


def test_another_scan_cannot_go_on_with_a_journal(tmp_path: Path) -> None:
    templates, journal = tmp_path / "t", tmp_path / "scan.jsonl"
    template(templates, "one")
    with running_flask(_site()) as site:
        scanned(site.url, templates=(templates,), journal=journal)
        template(templates, "two")
        with pytest.raises(BadInput, match="another scan"):
            scanned(site.url, templates=(templates,), journal=journal, resume=True)


def test_a_plan_sends_nothing(tmp_path: Path) -> None:
    for number in range(5):
        template(tmp_path, f"home-{number}")
    template(tmp_path, "own", "/own", product="frobnicator")
    with running_flask(_site()) as site:
        planned = plan_web(WebWish(SCOPE, (site.url,), templates=(tmp_path,), shipped=False))
        assert site.asked == []
    (_, one), *_ = planned.sites
    assert (one.templates, one.asked, one.sent, one.saved) == (6, 6, 2, 4)
    assert one.gated == {"frobnicator": 1}
    assert one.shared[0].templates == 5


def test_a_site_that_comes_back_is_tested_after_all(tmp_path: Path) -> None:
    app = Flask("weak")
    began = time.monotonic()

    @app.get("/")
    @app.get("/<path:anything>")
    def weak(anything: str = "") -> Response:
        return Response("busy", 503) if time.monotonic() - began < 3 else Response("welcome")

    for number in range(40):
        template(tmp_path, f"t{number}", f"/p{number}", "nothing")
    with running_flask(app) as site:
        ended = scanned(site.url, templates=(tmp_path,))
    assert set(outcomes(ended).values()) == {"tested_clean"}


def _redirect(where: str) -> Response:
    return Response(status=302, headers={"Location": where})


def _followers(folder: Path) -> None:
    """Templates that follow redirects, each in its way."""
    for number, keys in enumerate(("redirects: true", "host-redirects: true", "redirects: true\n    max-redirects: 1")):
        for start in ("/one", "/two", "/three"):
            file = template(folder, f"f{number}-{start[1:]}", start, "the end of it")
            file.write_text(file.read_text().replace("    matchers:", f"    {keys}\n    matchers:"))


def test_redirects_are_followed_through_what_is_known(tmp_path: Path) -> None:
    app = Flask("hops")

    @app.get("/<any(one, two, three):start>")
    def start(start: str) -> Response:
        return _redirect("/middle" if start != "three" else "/end")

    @app.get("/middle")
    def middle() -> Response:
        return _redirect("/end")

    @app.get("/end")
    def end() -> str:
        return "the end of it"

    _followers(tmp_path)
    template(tmp_path, "direct", "/end", "the end of it")
    template(tmp_path, "unfollowed", "/one", "the end of it")
    with running_flask(app) as site:
        found = outcomes(scanned(site.url, templates=(tmp_path,)))
        asked = Counter(line for line in site.asked if line != "GET /")
    too_far = {"f2-one", "f2-two"}
    assert {name for name, outcome in found.items() if outcome == "found"} == set(found) - too_far - {"unfollowed"}
    places = ("/one", "/two", "/three", "/middle", "/end")
    assert {place: asked[f"GET {place}"] for place in places} == dict.fromkeys(places, 1)


def test_redirects_with_cookies_are_followed_by_each_who_wants(tmp_path: Path) -> None:
    app = Flask("cookies")

    @app.get("/<any(one, two, three):start>")
    def start(start: str) -> Response:
        answer = _redirect("/inside")
        answer.set_cookie("who", start)
        return answer

    @app.get("/inside")
    def inside() -> str:
        return "the end of it" if request.cookies.get("who") else "please log in"

    _followers(tmp_path)
    template(tmp_path, "outside", "/inside", "please log in")
    with running_flask(app) as site:
        found = outcomes(scanned(site.url, templates=(tmp_path,)))
    assert set(found.values()) == {"found"}


def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    app = Flask("circle")

    @app.get("/<any(one, two, three):start>")
    def start(start: str) -> Response:
        return _redirect({"one": "/two", "two": "/one", "three": "http://192.0.2.1/"}[start])

    _followers(tmp_path)
    with running_flask(app) as site:
        ended = scanned(site.url, templates=(tmp_path,))
    assert set(outcomes(ended).values()) == {"tested_clean"}
    assert ended.ledger.complete


def test_answers_of_a_session_are_not_shared(tmp_path: Path) -> None:
    app = Flask("sessions")

    @app.get("/login")
    def login() -> Response:
        response = Response("in")
        response.set_cookie("who", "somebody")
        return response

    @app.get("/inside")
    def inside() -> str:
        return "secret" if request.cookies.get("who") else "please log in"

    template(tmp_path, "plain", "/inside", "secret")
    (tmp_path / "session.yaml").write_text(
        "id: session\ninfo:\n  name: s\n  author: t\n  severity: high\n  tags: test\nhttp:\n"
        '  - method: GET\n    path: ["{{BaseURL}}/login", "{{BaseURL}}/inside"]\n'
        "    matchers:\n      - type: word\n        words: [secret]\n"
    )
    with running_flask(app) as site:
        ended = scanned(site.url, templates=(tmp_path,))
    assert outcomes(ended) == {"plain": "tested_clean", "session": "found"}
