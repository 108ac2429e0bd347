"""A site whose every address is known, each told in another way: what a crawler misses can be counted."""

import gzip
import json

from flask import Flask, Response, redirect, request

HOME = """<!doctype html><meta charset=utf-8><title>市政府</title><base href="/">
<a href="about">关于</a> <a href="news/1.html">新闻</a> <area href="/map/area"> <iframe src="/frames/outer"></iframe>
<img src="/logo.png"><link rel=stylesheet href="/css/site.css"><script src="/js/app.js"></script>
<!-- old: <a href="/old/archive.php?y=2001">old</a> -->
<div onclick="location='/clicked/here'"></div><div data-href="/data/attr"></div>
<a href="/gbk/">旧站</a> <a href="/moved">moved</a> <a href="/refresh">r</a> <a href="/headers">h</a> <a href="/api/first">api</a>
<a href="http://127.0.0.1:1/elsewhere">x</a> <a href="/logout">退出</a> <a href="/item/delete?id=1">删除</a>
<form action="/search"><input name=q><select name=kind><option value=a>A</select></form>
<form action="/feedback" method=post><textarea name=text></textarea><input type=hidden name=csrf value=abc></form>
<form action="/upload" method=post enctype=multipart/form-data><input type=file name=doc></form>
<form action="/member/login" method=post><input name=user><input type=password name=pass></form>"""
SCRIPT = """const API = '/api/v1';
export const load = id => fetch(`${API}/users/${id}`, {headers: {'X-Auth-Token': token()}});
axios.post(API + '/orders', {item: id, count: 1});
$.ajax({url: '/legacy/list.do', data: {page: 1, size: 20}, success(r) {}});
const routes = [{path: '/spa/dashboard'}, {path: '/spa/users/:id'}];
document.cookie = "skin=" + skin; import('/js/lazy.js');"""
LAZY = "var x=new XMLHttpRequest();x.open('GET','/lazy/data.json?from=lazy');x.send()"
OPENAPI = {
    "openapi": "3.0.0",
    "paths": {
        "/v2/pets/{id}": {
            "get": {"parameters": [{"name": "id", "in": "path", "example": 3}, {"name": "deep", "in": "query"}]}
        },
        "/v2/pets": {
            "post": {
                "requestBody": {
                    "content": {"application/json": {"schema": {"properties": {"name": {"type": "string"}}}}}
                }
            }
        },
    },
}
PAGES = [
    "/about", "/map/area", "/frames/outer", "/frames/inner", "/old/archive.php", "/clicked/here", "/data/attr",
    "/target/of/move", "/after/refresh", "/linked/header", "/api/first", "/api/second", "/secret/admin/", "/mapped/a",
    "/mapped/b", "/spa/dashboard", "/legacy/list.do", "/lazy/data.json", "/css/extra.css", "/gbk/list", "/search/more",
    "/thanks",
]  # fmt: skip
KNOWN = {
    ("GET", "/"), ("GET", "/search"), ("POST", "/feedback"), ("POST", "/upload"), ("POST", "/member/login"),
    ("GET", "/api/v1/users/1"), ("POST", "/api/v1/orders"), ("GET", "/v2/pets/3"), ("POST", "/v2/pets"),
    ("GET", "/spa/users/1"), ("GET", "/gbk/find"), ("GET", "/news/1.html"), ("GET", "/robots.txt"), ("GET", "/moved"),
    ("GET", "/openapi.json"), ("GET", "/js/app.js"), ("GET", "/js/lazy.js"), ("GET", "/css/site.css"), ("GET", "/gbk/"),
    ("GET", "/refresh"), ("GET", "/headers"), ("GET", "/sitemap.xml"), ("GET", "/maps/one.xml.gz"), ("GET", "/calendar"),
    *(("GET", page) for page in PAGES),
}  # fmt: skip
"""Method and path of all that there is, but for the numbered pages."""


def city_site(soft_404: bool = False) -> Flask:
    """The application. With `soft_404` it says 200 to everything."""
    app = Flask("city")
    plain = {page: f"<p>{page}" for page in PAGES}
    plain["/frames/outer"] = "<frameset><frame src=/frames/inner><frame src=/frames/outer></frameset>"
    plain["/about"] = "<a href=/calendar>c</a><a href=''>self</a><a href='/robots.txt'>r</a>"
    plain["/secret/admin/"] = "<a href='../../about'>x</a>"

    @app.get("/")
    def home() -> str:
        return HOME

    for place, html in plain.items():
        app.add_url_rule(place, place, lambda html=html: html)

    @app.get("/news/<int:n>.html")
    def news(n: int) -> str:
        return f"<h1>{n}</h1><a href=/news/{n + 1}.html>next</a><form action=/search><input name=q></form>"

    @app.get("/calendar")
    def calendar() -> str:
        year, month = int(request.args.get("y", 2024)), int(request.args.get("m", 1))
        return f"<a href='?y={year}&m={month + 1}'>n</a><a href='?y={year + 1}&m={month}'>y</a><a href='?y={year - 1}&m=1'>p</a>"

    @app.get("/moved")
    def moved() -> Response:
        return redirect("/target/of/move", 301)  # type: ignore[return-value]

    @app.get("/refresh")
    def refresh() -> str:
        return "<meta http-equiv=Refresh content='0;url=/after/refresh'>"

    @app.get("/headers")
    def headers() -> Response:
        return Response("", headers={"Link": "</linked/header>; rel=next"})

    @app.get("/search")
    def search() -> str:
        return "<a href='/search/more?from=search'>m</a>"

    @app.post("/feedback")
    def feedback() -> Response:
        return redirect("/thanks")  # type: ignore[return-value]

    @app.get("/gbk/")
    def gbk() -> Response:
        html = "<title>中文</title><a href='list'>列表</a><form action=find><input name=词 value=中国></form>"
        return Response(html.encode("gbk"), content_type="text/html")

    @app.get("/gbk/find")
    def find() -> str:
        return request.query_string.decode()

    _add_files(app)
    _add_interfaces(app)
    if soft_404:
        app.register_error_handler(404, lambda _error: ("<h1>找不到</h1><a href=/>home</a>", 200))
    return app


def _add_files(app: Flask) -> None:
    @app.get("/robots.txt")
    def robots() -> Response:
        return Response("User-agent: *\nDisallow: /secret/admin/\nDisallow: /not/there\n", content_type="text/plain")

    @app.get("/sitemap.xml")
    def sitemap() -> Response:
        one = f"{request.host_url}maps/one.xml.gz"
        return Response(f"<sitemapindex><sitemap><loc>{one}</loc></sitemap></sitemapindex>", content_type="text/xml")

    @app.get("/maps/one.xml.gz")
    def one() -> Response:
        places = "".join(f"<url><loc>{request.host_url}mapped/{word}</loc></url>" for word in "ab")
        return Response(gzip.compress(f"<urlset>{places}</urlset>".encode()), content_type="application/gzip")

    @app.get("/js/<name>.js")
    def script(name: str) -> Response:
        return Response({"app": SCRIPT, "lazy": LAZY}[name], content_type="application/javascript")

    @app.get("/css/site.css")
    def style() -> Response:
        return Response("@import 'extra.css'; a { background: url(/img/a.png) }", content_type="text/css")


def _add_interfaces(app: Flask) -> None:
    @app.get("/openapi.json")
    def openapi() -> Response:
        return Response(json.dumps(OPENAPI), content_type="application/json")

    for place, methods in {
        "/api/v1/users/<i>": "GET",
        "/api/v1/orders": "POST",
        "/v2/pets/<i>": "GET",
        "/v2/pets": "POST",
        "/upload": "POST",
        "/member/login": "POST",
        "/spa/users/<i>": "GET",
    }.items():
        app.add_url_rule(place, place, lambda **_: {"ok": True}, methods=[methods])
    app.view_functions["/api/first"] = lambda: {"next": "/api/second", "id": 1}
