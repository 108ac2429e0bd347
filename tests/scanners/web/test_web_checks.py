"""The web checks against a real nginx."""

from pathlib import Path

import pytest

from scanners.reach import Reach
from scanners.web.exposed_files import EXPOSED_FILES
from scanners.web.http_headers import HTTP_HEADERS
from scanners.web.tls import TLS
from secops.model.finding import Weakness
from secops.model.outcome import Evaluation, Outcome
from tests.lab.certificates import issue
from tests.lab.nginx import Nginx, running_nginx
from tests.scanners.reaching import evaluate, reaching, website

pytestmark = pytest.mark.slow


def scanned(check: object, url: str, authorities: str = "") -> Evaluation:
    async def work(reach: Reach) -> Evaluation:
        (ended,) = await evaluate(check, website(url), reach)  # type: ignore[arg-type]
        return ended

    return reaching(work, authorities=authorities)


def found(ended: Evaluation) -> list[tuple[str, ...]]:
    """Rule and place of each weakness, the check's name and the site left out."""
    assert ended.outcome in (Outcome.FOUND, Outcome.TESTED_CLEAN), ended.reason
    return sorted((one.rule.partition(".")[2], *_within(one.locator)) for one in ended.weaknesses)


def _within(locator: tuple[str, ...]) -> tuple[str, ...]:
    """What follows the origin, or the scheme and port that stand for it whatever the host is called."""
    return locator[2:] if locator[1].isdecimal() else locator[1:]


def http(web: Nginx) -> str:
    return f"http://127.0.0.1:{web.port}/"


def test_headers_of_a_bare_and_of_a_hardened_server(tmp_path: Path) -> None:
    with running_nginx(tmp_path / "bare", "add_header Set-Cookie sessionid=secret;") as web:
        (web.root / "index.html").write_text("<html></html>")
        ended = scanned(HTTP_HEADERS, http(web))
    assert found(ended) == [
        ("content-type-options-missing", "x-content-type-options"),
        ("cookie-flags", "set-cookie", "sessionid"),
        ("csp-missing", "content-security-policy"),
        ("frame-protection-missing", "x-frame-options"),
        ("referrer-policy-missing", "referrer-policy"),
        ("version-banner", "server"),
    ]
    assert b"secret" not in ended.observation
    hardened = """server_tokens off; add_header X-Content-Type-Options nosniff; add_header Referrer-Policy no-referrer;
    add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'";"""
    with running_nginx(tmp_path / "hardened", hardened) as web:
        (web.root / "index.html").write_text("<html></html>")
        assert scanned(HTTP_HEADERS, http(web)).outcome is Outcome.TESTED_CLEAN


def test_exposed_files_are_found_and_their_secrets_not_kept(tmp_path: Path) -> None:
    with running_nginx(tmp_path, "autoindex on;") as web:
        (web.root / "index.html").write_text("<html>home</html>")
        (web.root / ".git").mkdir()
        (web.root / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
        (web.root / ".env").write_text("DB_PASSWORD=hunter2\nAPI_TOKEN: abc\n")
        (web.root / "backup.tar.gz").write_bytes(b"\x1f\x8b\x08" + bytes(10_000_000))
        (web.root / "upload").mkdir()
        (web.root / "dump.sql").write_text("<html>only named like one</html>")
        ended = scanned(EXPOSED_FILES, http(web))
        asked = len(web.asked())
    assert found(ended) == [
        ("backup-archive", "/backup.tar.gz"),
        ("directory-listing", "/upload/"),
        ("environment-file", "/.env"),
        ("version-control", "/.git/HEAD"),
    ]
    assert b"hunter2" not in ended.observation and b"abc" not in ended.observation
    assert not any("hunter2" in value for one in ended.weaknesses for value in one.evidence.values())
    assert 60 < asked < 90


@pytest.mark.parametrize(
    "server",
    [
        "try_files $uri /index.html;",
        "error_page 404 =200 /index.html;",
        "location / { default_type text/html; return 200 '<html>$request_uri $request_id</html>'; }",
    ],
    ids=["single-page", "error page with 200", "echo"],
)
def test_a_site_that_answers_200_to_everything_gives_no_finding(tmp_path: Path, server: str) -> None:
    with running_nginx(tmp_path, server) as web:
        (web.root / "index.html").write_text("<html><title>home</title>welcome</html>")
        assert scanned(EXPOSED_FILES, http(web)).outcome is Outcome.TESTED_CLEAN


def test_a_site_behind_a_rate_limit_is_blocked_not_clean(tmp_path: Path) -> None:
    with running_nginx(tmp_path, "location ~ zip { return 429; }") as web:
        (web.root / "index.html").write_text("home")
        assert scanned(EXPOSED_FILES, http(web)).outcome is Outcome.BLOCKED


def tls_findings(tmp_path: Path, options: str = "", host: str = "127.0.0.1", **certificate: object) -> list[Weakness]:
    """What the check says of an nginx with a certificate of an authority that is trusted."""
    root = issue(tmp_path / "root", authority=True)
    leaf = issue(tmp_path / "leaf", *certificate.pop("names", ("127.0.0.1",)), issuer=root, **certificate)  # type: ignore[misc, arg-type]
    server = f"ssl_certificate {leaf.certificate_file}; ssl_certificate_key {leaf.key_file}; {options}"
    with running_nginx(tmp_path / "web", server, " ssl") as web:
        ended = scanned(TLS, f"https://{host}:{web.port}/", str(root.certificate_file))
    assert ended.outcome in (Outcome.FOUND, Outcome.TESTED_CLEAN), ended.reason
    return list(ended.weaknesses)


def test_a_sound_tls_server_is_clean(tmp_path: Path) -> None:
    assert tls_findings(tmp_path, "ssl_protocols TLSv1.2 TLSv1.3;") == []


@pytest.mark.parametrize(
    "expected, options",
    [
        (["tls.expired"], {"days": -1}),
        (["tls.expiring"], {"days": 10}),
        (["tls.name-mismatch"], {"names": ("other.example.org",)}),
        (["tls.weak-key"], {"rsa_bits": 1024, "options": "ssl_protocols TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;"}),
        (
            ["tls.old-protocol", "tls.old-protocol"],
            {"options": "ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0;"},
        ),
    ],
    ids=["expired", "expiring", "name", "weak key", "old protocols"],
)
def test_each_tls_weakness_is_found_alone(tmp_path: Path, expected: list[str], options: dict[str, object]) -> None:
    assert [one.rule for one in tls_findings(tmp_path, **options)] == expected  # type: ignore[arg-type]


def test_a_self_signed_certificate_is_not_trusted(tmp_path: Path) -> None:
    own = issue(tmp_path / "own", "127.0.0.1")
    server = f"ssl_certificate {own.certificate_file}; ssl_certificate_key {own.key_file};"
    with running_nginx(tmp_path / "web", server, " ssl") as web:
        (web.root / "index.html").write_text("<html></html>")
        ended = scanned(TLS, f"https://127.0.0.1:{web.port}/")
        headers = scanned(HTTP_HEADERS, f"https://127.0.0.1:{web.port}/")
    assert [one.rule for one in ended.weaknesses] == ["tls.untrusted"]
    assert "self-signed" in ended.weaknesses[0].title.en
    # The headers are looked at all the same; the certificate is not their business.
    assert ("hsts-missing", "strict-transport-security") in found(headers)


def test_a_site_without_tls_is_found_and_one_that_speaks_none_is_unreachable(tmp_path: Path) -> None:
    with running_nginx(tmp_path) as web:
        (absent,) = scanned(TLS, http(web)).weaknesses
        assert absent.rule == "tls.absent"
        assert scanned(TLS, http(web).replace("http:", "https:")).outcome is Outcome.UNREACHABLE
    assert scanned(TLS, http(web)).outcome is Outcome.UNREACHABLE
