"""What sites publish for machines: robots.txt, site maps, feeds, descriptions of interfaces."""

import gzip
import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from scanners.web.crawl.lead import Source
from tests.scanners.web.crawl.reading_pages import found, lead_to, reading_of


def test_robots() -> None:
    text = (
        "User-agent: *\nDisallow: /admin/ # secret\nDisallow:\nAllow: /pub/*.html$\nsitemap: http://site.test/m.xml\n"
    )
    reading = reading_of(text, "text/plain", "http://site.test/robots.txt")
    assert found(reading) == ["GET /admin/", "GET /m.xml", "GET /pub/"]
    assert lead_to(reading, "/admin/").source is Source.ROBOTS


MAP = '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">' + (
    "<url><loc> http://site.test/a?x=1&amp;y=2 </loc></url></urlset>"
)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (MAP.encode(), "application/xml"),
        (gzip.compress(MAP.encode()), "application/x-gzip"),
        (MAP.replace("</urlset>", "").encode(), "text/xml"),
        (MAP.replace("urlset", "sitemapindex").encode(), "application/octet-stream"),
        (
            MAP.replace('<?xml version="1.0"?>', '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>').encode(),
            "text/xml",
        ),
    ],
    ids=["plain", "gzip", "broken", "index", "entities"],
)
def test_site_maps(body: bytes, kind: str) -> None:
    assert "GET /a?x=1&y=2" in found(reading_of(body, kind, "http://site.test/sitemap.xml"))


def test_a_gzip_bomb_is_cut() -> None:
    reading_of(gzip.compress(b"\0" * 200_000_000, 9), "application/gzip", "http://site.test/sitemap.xml.gz")


def test_feeds_json_and_headers() -> None:
    feed = "<rss><channel><item><link>http://site.test/item/1</link></item></channel></rss>"
    assert found(reading_of(feed, "application/rss+xml")) == ["GET /item/1"]
    answer = json.dumps(
        {"next": "/api/list?page=2", "items": [{"href": "http://site.test/i/1"}], "note": "a/b", "n": 1}
    )
    reading = reading_of(answer, "application/json")
    assert found(reading) == ["GET /api/list?page=2", "GET /i/1"]
    assert set(reading.names) == {"next", "items", "href", "note", "n"}
    reading = reading_of("", Link="</next>; rel=next", Set_Cookie="SID=1; Path=/", Refresh="0; url=/r")
    assert found(reading) == ["GET /next", "GET /r"]
    assert reading.names == ("SID",)


OPENAPI: dict[str, Any] = {
    "openapi": "3.0.1",
    "servers": [{"url": "/{v}", "variables": {"v": {"default": "v3"}}}],
    "paths": {
        "/pets/{petId}": {
            "parameters": [{"name": "petId", "in": "path", "schema": {"type": "integer", "minimum": 7}}],
            "get": {
                "parameters": [
                    {"name": "q", "in": "query", "example": "a b"},
                    {"$ref": "#/components/parameters/Trace"},
                    {"name": "sid", "in": "cookie", "schema": {"type": "string", "format": "uuid"}},
                ]
            },
            "delete": {"operationId": "deletePet"},
        },
        "/pets": {
            "post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}}
        },
        "/form": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/x-www-form-urlencoded": {"schema": {"properties": {"a": {"enum": ["x", "y"]}}}}
                    }
                }
            }
        },
    },
    "components": {
        "parameters": {"Trace": {"name": "X-Trace", "in": "header", "schema": {"type": "boolean"}}},
        "schemas": {
            "Pet": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "example": "Rex"},
                    "born": {"type": "string", "format": "date"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "parent": {"$ref": "#/components/schemas/Pet"},
                    "both": {
                        "allOf": [{"properties": {"x": {"type": "number"}}}, {"properties": {"y": {"default": 3}}}]
                    },
                },
            }
        },
    },
}
SWAGGER = """
swagger: "2.0"
basePath: /v1
paths:
  /login:
    post:
      parameters:
        - {name: user, in: formData, type: string}
        - {name: pass, in: formData, type: string, format: password}
  /items/{id}:
    put:
      parameters:
        - {name: id, in: path, type: string, default: a/b}
        - {name: item, in: body, schema: {type: object, properties: {n: {type: integer}}}}
"""


def test_openapi_3() -> None:
    reading = reading_of(json.dumps(OPENAPI), "application/json")
    assert found(reading) == ["DELETE /v3/pets/7", "GET /v3/pets/7?q=a+b", "POST /v3/form", "POST /v3/pets"]
    get = lead_to(reading, "?q=a+b")
    assert dict(get.headers)["X-Trace"] == "true"
    assert dict(get.headers)["Cookie"].startswith("sid=123e4567")
    pet = json.loads(lead_to(reading, "/v3/pets").body)
    assert (pet["name"], pet["born"], pet["tags"], pet["both"]) == ("Rex", "2024-01-15", ["jindun"], {"x": 1.5, "y": 3})
    assert lead_to(reading, "/v3/form").body == b"a=x"
    assert set(reading.names) == {"X-Trace", "sid"}


def test_swagger_2_in_yaml() -> None:
    reading = reading_of(SWAGGER, "application/yaml", "http://site.test/swagger.yaml")
    assert found(reading) == ["POST /v1/login", "PUT /v1/items/a%2Fb"]
    assert parse_qsl(lead_to(reading, "/login").body.decode()) == [("user", "jindun"), ("pass", "Jindun-2024")]
    assert json.loads(lead_to(reading, "a%2Fb").body) == {"n": 1}


@pytest.mark.parametrize(
    "text",
    [
        '{"openapi": "3.0.0", "paths": []}',
        '{"openapi": "3.0.0", "paths": {"/a": {"get": {"parameters": [1, {"$ref": "#/x"}, {"name": 5}]},'
        '"post": {"requestBody": {"content": {"a/b": 1}}}}}}',
        '{"openapi": "3.0.0", "paths": {"/a": {"$ref": "#/paths/~1a"}, "/b": null, "5": {"get": {"requestBody": {"$ref": "http://x/"}}}}}',
        "openapi: 3.0.0\npaths: &a\n  /x: *a\n",
        '{"swagger": "2.0", "host": "[", "basePath": 4, "paths": {"/a": {"get": {}}}}',
        '{"openapi": "3.0.0", "servers": [{"url": {}}], "paths": {"/{a}/{b": {"get": {'
        '"parameters": [{"name": "a", "in": "path", "example": {"x": 1}}]}}}}',
        '{"openapi": "3.0.0", "paths": {"/a": {"get": ' + '{"x":' * 3000,
    ],
)
def test_strange_descriptions_are_survived(text: str) -> None:
    for lead in reading_of(text, "application/json").leads:
        assert lead.url.isascii()
