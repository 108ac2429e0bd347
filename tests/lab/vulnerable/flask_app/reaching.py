"""Files, addresses and documents that are reached through what is asked: traversal, redirects, SSRF, XXE, XPath, LDAP."""

import io
import os
import threading
import xml.sax
import xml.sax.handler
from pathlib import Path
from urllib.error import URLError
from urllib.parse import unquote, urlsplit
from urllib.request import ProxyHandler, build_opener

from flask import Response, redirect, request
from lxml import etree
from markupsafe import escape

from tests.lab.vulnerable.flask_app import ldap
from tests.lab.vulnerable.flask_app.site import asked, flaw, page

FOLDER = Path(__file__).resolve().parent / "documents"
NOTES = Path(os.environ.get("LAB_NOTES", FOLDER))
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
DOCUMENTS = {"guide.txt": "How to apply", "fees.txt": "Fees of the office"}


def inside(path: str) -> bool:
    """Whether a path stays in the folder of documents."""
    return Path(path).resolve().is_relative_to(FOLDER)


def read(path: str, flawed: bool) -> str | None:
    """The start of a file; None when it cannot be read."""
    try:
        if not flawed and not inside(path):
            return None
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(20_000)
    except (OSError, ValueError):
        return None


def shown(path: str, flawed: bool):
    content = read(path, flawed)
    return page("<p>No such document</p>", 404) if content is None else page(f"<pre>{escape(content)}</pre>")


@flaw("/pathtraver/relative")
def relative(flawed: bool):
    return shown(f"{FOLDER}/{asked('file', 'guide.txt')}", flawed)


@flaw("/pathtraver/absolute", "GET", "POST")
def absolute(flawed: bool):
    return shown(str(FOLDER / asked("file", "guide.txt").replace("../", "")), flawed)


@flaw("/pathtraver/decoded-twice")
def decoded_twice(flawed: bool):
    name = asked("file", "guide.txt")
    return page("<p>Forbidden</p>", 403) if ".." in name else shown(f"{FOLDER}/{unquote(name)}", flawed)


@flaw("/pathtraver/removed-once")
def removed_once(flawed: bool):
    return shown(f"{FOLDER}/{asked('file', 'guide.txt').replace('../', '')}", flawed)


@flaw("/pathtraver/suffix")
def suffix(flawed: bool):
    """Wants .txt at the end and hands the name to a function that stops at a null byte."""
    name = asked("file", "guide.txt")
    if not name.endswith(".txt"):
        return page("<p>No such document</p>", 404)
    return shown(f"{FOLDER}/{name}".split("\0")[0], flawed)


@flaw("/pathtraver/prefix")
def prefix(flawed: bool):
    """Wants the folder at the start."""
    name = asked("file", "documents/guide.txt")
    if not name.startswith("documents/"):
        return page("<p>No such document</p>", 404)
    return shown(f"{FOLDER.parent}/{name}", flawed)


@flaw("/pathtraver/segment/<name>")
def segment(flawed: bool, name: str):
    return shown(f"{FOLDER}/{unquote(name)}", flawed)


@flaw("/pathtraver/exists")
def exists(flawed: bool):
    """Tells only whether a file is there."""
    path = f"{FOLDER}/{asked('file', 'guide.txt')}"
    there = Path(path.split("\0")[0]).exists() and (flawed or inside(path))
    return page("<p>Available</p>" if there else "<p>Not available</p>")


@flaw("/pathtraver/cookie")
def cookie(flawed: bool):
    return shown(f"{FOLDER}/{unquote(request.cookies.get('skin', 'guide.txt'))}", flawed)


def stays(to: str) -> bool:
    """Whether an address is a path of this site, in the eyes of a browser."""
    return to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()


@flaw("/pathtraver/write", "POST")
def write(flawed: bool):
    """Keeps a note under a name; the twin knows no folders."""
    name = asked("name", "note.txt")
    path = NOTES / (name if flawed else Path(name).name)
    try:
        path.write_text("note", encoding="utf-8")
    except (OSError, ValueError):
        return page("<p>Could not be saved</p>", 500)
    path.unlink()
    return page("<p>Saved</p>")


@flaw("/redirect/header")
def redirect_header(flawed: bool):
    to = asked("to", "/")
    return redirect(to if flawed or stays(to) else "/")


@flaw("/redirect/slash")
def redirect_slash(flawed: bool):
    to = asked("to", "/")
    return redirect(to if to.startswith("/") and (flawed or stays(to)) else "/")


@flaw("/redirect/own-name")
def redirect_own_name(flawed: bool):
    """Looks for its own name anywhere; the twin reads the host."""
    to = asked("to", "/")
    own = request.host
    good = own in to if flawed else urlsplit(to).netloc == own
    return redirect(to if good else "/")


@flaw("/redirect/appended")
def redirect_appended(flawed: bool):
    """Puts its own address before."""
    to = asked("to", "/home")
    path = to if flawed else "/" + to.lstrip("/\\@.")
    return Response(status=302, headers={"Location": f"http://{request.host.partition(':')[0]}{path}"})


@flaw("/redirect/meta")
def redirect_meta(flawed: bool):
    to = asked("url", "/home")
    target = to if flawed or stays(to) else "/home"
    return page(f'<meta http-equiv="refresh" content="0; url={escape(target)}"><p>One moment</p>')


@flaw("/redirect/script")
def redirect_script(flawed: bool):
    to = asked("url", "/home")
    target = to if flawed or stays(to) else "/home"
    quoted = target.replace("\\", "\\\\").replace('"', '\\"').replace("<", "\\x3c")
    return page(f'<script>window.location.href = "{quoted}";</script>')


@flaw("/redirect/refresh", "POST")
def redirect_refresh(flawed: bool):
    to = asked("next", "/home")
    target = to if flawed or stays(to) else "/home"
    return Response("ok", headers={"Refresh": f"0; url={target}"})


@flaw("/redirect/mentioned")
def redirect_mentioned(flawed: bool):
    """The twin names the address only as a field of its own login page, as single sign-on does."""
    to = asked("to", "/")
    return redirect(to if flawed else "/login?" + "next=" + to.replace("&", "%26").replace("#", "%23"))


def fetch(url: str) -> str:
    """A page of this machine; never anything else."""
    parts = urlsplit(url)
    if parts.hostname not in _LOOPBACK or parts.scheme not in ("http", "https"):
        return ""
    # As most clients do: what stands before an @ is a user.
    address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}?{parts.query}"
    try:
        with build_opener(ProxyHandler({})).open(address, timeout=3) as answer:
            return answer.read(10_000).decode("utf-8", "replace")
    except (URLError, OSError, ValueError):
        return ""


@flaw("/ssrf/content")
def ssrf_content(flawed: bool):
    url = asked("url", "")
    return page(f"<pre>{escape(fetch(url) if flawed else '')}</pre>")


@flaw("/ssrf/blind", "POST")
def ssrf_blind(flawed: bool):
    url = str((request.get_json(force=True, silent=True) or {}).get("callback", ""))
    if flawed:
        threading.Thread(target=fetch, args=(url,), daemon=True).start()
    return {"state": "accepted"}


@flaw("/ssrf/referer")
def ssrf_referer(flawed: bool):
    """Looks at where its visitors come from."""
    if flawed and (url := request.headers.get("Referer")):
        threading.Thread(target=fetch, args=(url,), daemon=True).start()
    return page("<p>Welcome</p>")


def parse(text: bytes, flawed: bool) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=flawed, load_dtd=flawed, no_network=True, huge_tree=False)
    return etree.fromstring(text, parser)


@flaw("/ssrf/prefix")
def ssrf_prefix(flawed: bool):
    """Looks at the beginning of the address; the twin at its host."""
    url = asked("feed", "")
    good = url.startswith("http://www.lab.example") if flawed else urlsplit(url).hostname == "www.lab.example"
    return page(f"<p>{len(fetch(url)) if good else 0} bytes</p>")


@flaw("/ssrf/host", "POST")
def ssrf_host(flawed: bool):
    """Puts the address together itself."""
    host = asked("host", "mirror.lab.example")
    good = flawed or host in ("mirror.lab.example", "backup.lab.example")
    return page(f"<p>{'up' if good and fetch(f'http://{host}/status') else 'down'}</p>")


@flaw("/xxe/content", "POST")
def xxe_content(flawed: bool):
    try:
        root = parse(request.get_data(), flawed)
    except etree.XMLSyntaxError:
        return page("<p>Bad document</p>", 400)
    return Response(
        f"<order><name>{escape(root.findtext('name') or '')}</name></order>", content_type="application/xml"
    )


@flaw("/xxe/error", "POST")
def xxe_error(flawed: bool):
    """Another parser, which complains of what it cannot open."""
    parser = xml.sax.make_parser()
    parser.setFeature(xml.sax.handler.feature_external_ges, flawed)
    try:
        parser.parse(io.BytesIO(request.get_data()))
    except (xml.sax.SAXException, OSError, ValueError) as error:
        return page(f"<pre>{type(error).__name__}: {escape(str(error))}</pre>", 400)
    return page("<p>Order accepted</p>")


@flaw("/xxe/field", "POST")
def xxe_field(flawed: bool):
    try:
        root = parse(asked("xml", "<a/>").encode(), flawed)
    except (etree.XMLSyntaxError, ValueError):
        return page("<p>Bad document</p>", 400)
    return page(f"<p>{escape(''.join(root.itertext()))}</p>")


@flaw("/xxe/xinclude", "POST")
def xxe_xinclude(flawed: bool):
    """Puts a field into a document of its own, and resolves inclusions."""
    try:
        name = asked("name", "li")
        root = parse(f"<order><name>{name if flawed else escape(name)}</name></order>".encode(), False)
        root.getroottree().xinclude() if flawed else None
    except (etree.XMLSyntaxError, etree.XIncludeError, ValueError):
        return page("<p>Bad document</p>", 400)
    return page(f"<p>{escape(''.join(root.itertext()))}</p>")


_STAFF = etree.fromstring(
    "<staff><user name='li' pin='17'><room>204</room></user><user name='wang' pin='23'><room>118</room></user></staff>"
)


@flaw("/xpathi/error")
def xpath_error(flawed: bool):
    name = asked("name", "li")
    try:
        found = _STAFF.xpath(
            f"//user[@name='{name}']/room" if flawed else "//user[@name=$n]/room", **_bound(flawed, name)
        )
    except (etree.XPathError, ValueError) as error:
        return page(f"<pre>lxml.etree.{type(error).__name__}: {escape(str(error))}</pre>", 500)
    return page("".join(f"<li>Room {room.text}</li>" for room in found) or "<p>Nobody</p>")


@flaw("/xpathi/boolean", "GET", "POST")
def xpath_boolean(flawed: bool):
    name = asked("name", "li")
    try:
        query = f'//user[@name="{name}" and @pin]/room' if flawed else "//user[@name=$n and @pin]/room"
        found = _STAFF.xpath(query, **_bound(flawed, name))
    except (etree.XPathError, ValueError):
        found = []
    return page("".join(f"<li>Room {room.text}</li>" for room in found) or "<p>Nobody</p>", noisy=True)


def _bound(flawed: bool, name: str) -> dict[str, str]:
    return {} if flawed else {"n": "".join(sign for sign in name if sign.isprintable())}


@flaw("/xpathi/login", "POST")
def xpath_login(flawed: bool):
    name, pin = asked("user", "nobody"), asked("pin", "0")
    try:
        if flawed:
            known = _STAFF.xpath(f"//user[@name='{name}' and @pin='{pin}']")
        else:
            known = _STAFF.xpath("//user[@name=$n and @pin=$p]", n=_bound(False, name)["n"], p=_bound(False, pin)["n"])
    except (etree.XPathError, ValueError):
        known = []
    return page("<p>Welcome</p>" if known else "<p>Unknown</p>")


@flaw("/ldapi/login", "POST")
def ldap_login(flawed: bool):
    name, mail = asked("user", "li"), asked("mail", "wrong")
    name, mail = (name, mail) if flawed else (ldap.escaped(name), ldap.escaped(mail))
    try:
        known = ldap.search(f"(&(uid={name})(mail={mail}))")
    except ldap.BadFilter:
        known = []
    return page("<p>Welcome</p>" if known else "<p>Unknown</p>")


@flaw("/ldapi/error")
def ldap_error(flawed: bool):
    name = asked("uid", "li")
    try:
        found = ldap.search(f"(&(uid={name if flawed else ldap.escaped(name)})(objectClass=person))")
    except ldap.BadFilter as error:
        return page(f"<p>javax.naming.directory.InvalidSearchFilterException: {escape(str(error))}</p>", 500)
    return page("".join(f"<li>{escape(mail)}</li>" for mail in found) or "<p>Nobody</p>")


@flaw("/ldapi/boolean")
def ldap_boolean(flawed: bool):
    name = asked("uid", "li")
    try:
        found = ldap.search(f"(&(uid={name if flawed else ldap.escaped(name)})(objectClass=person))")
    except ldap.BadFilter:
        found = []
    return page("".join(f"<li>{escape(mail)}</li>" for mail in found) or "<p>Nobody</p>")
