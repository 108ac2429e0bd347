"""Makes requests of an OpenAPI 3 or Swagger 2 description: every path and method, with examples or plausible values."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from scanners.web.crawl.lead import Harvest, Lead, Source
from scanners.web.message import Headers
from scanners.web.urls import resolve

_METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
_LOOKS_LIKE_ONE = re.compile(r"[\"']?\b(?:openapi|swagger)\b[\"']?\s*:\s*[\"']?[23]")
_MOST_OPERATIONS = 2000
_DEEPEST = 8
_MOST_YAML_BYTES = 1024 * 1024
_BY_FORMAT = {
    "date": "2024-01-15",
    "date-time": "2024-01-15T10:00:00Z",
    "email": "jindun@example.com",
    "uuid": "123e4567-e89b-12d3-a456-426614174000",
    "uri": "http://example.com/",
    "ipv4": "192.0.2.1",
    "byte": "amluZHVu",
    "password": "Jindun-2024",
}


def read_openapi(text: str, harvest: Harvest) -> bool:
    """Take every operation; whether the text is such a description."""
    if not _LOOKS_LIKE_ONE.search(text[:100_000]):
        return False
    document = _loaded(text)
    if not isinstance(document, dict) or not isinstance(document.get("paths"), dict):
        return False
    described = _Described(document, harvest)
    for lead in islice(described.leads(), _MOST_OPERATIONS):
        harvest.add(lead)
    return True


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > _MOST_YAML_BYTES or len(re.findall(r"(?<=[\s\[,])[&*]\w", text)) > 200:
        return None
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


@dataclass(frozen=True, slots=True)
class _Field:
    """One parameter with the value that is sent."""

    name: str
    place: str
    """path, query, header, cookie or formData."""
    value: str


class _Described:
    def __init__(self, document: dict[str, Any], harvest: Harvest) -> None:
        self._document = document
        self._harvest = harvest
        self._base = self._base_of_all()

    def leads(self) -> Iterator[Lead]:
        for path, item in self._document["paths"].items():
            item = self._followed(item)
            if not isinstance(path, str) or not isinstance(item, dict):
                continue
            for method in _METHODS:
                operation = item.get(method)
                if isinstance(operation, dict):
                    shared = _list(item.get("parameters"))
                    yield from self._lead(path, method, operation, [*shared, *_list(operation.get("parameters"))])

    def _lead(self, path: str, method: str, operation: dict[str, Any], parameters: list[Any]) -> Iterator[Lead]:
        fields = {(field.name, field.place): field for field in self._fields(parameters)}.values()
        for name, place in ((field.name, field.place) for field in fields):
            if place in ("header", "cookie"):
                self._harvest.name(name)
        for field in fields:
            if field.place == "path":
                path = path.replace("{" + field.name + "}", quote(field.value, safe=""))
        path = re.sub(r"\{[^{}/]*\}", "1", path)
        query = urlencode([(field.name, field.value) for field in fields if field.place == "query"])
        url = resolve(
            self._harvest.page, self._base.rstrip("/") + "/" + path.lstrip("/") + (f"?{query}" if query else "")
        )
        kind, body = self._body(operation, parameters, [field for field in fields if field.place == "formData"])
        if url:
            headers = self._headers(kind, list(fields))
            yield Lead(
                url,
                Source.API,
                self._harvest.page,
                method.upper(),
                headers,
                body,
                text=str(operation.get("operationId", "")),
            )

    def _headers(self, kind: str, fields: list[_Field]) -> Headers:
        headers = [("Content-Type", kind)] if kind else []
        headers += [(one.name, _latin(one.value)) for one in fields if one.place == "header" and _is_token(one.name)]
        cookies = [f"{one.name}={quote(one.value)}" for one in fields if one.place == "cookie" and _is_token(one.name)]
        return (*headers, ("Cookie", "; ".join(cookies))) if cookies else tuple(headers)

    def _fields(self, parameters: list[Any]) -> Iterator[_Field]:
        for written in parameters:
            parameter = self._followed(written)
            if not isinstance(parameter, dict) or not isinstance(parameter.get("name"), str):
                continue
            place = str(parameter.get("in"))
            if place == "body":
                continue
            schema = parameter.get("schema", parameter)
            value = self._example(parameter, None)
            yield _Field(parameter["name"], place, _as_text(self._sample(schema) if value is None else value))

    def _body(self, operation: dict[str, Any], parameters: list[Any], form: list[_Field]) -> tuple[str, bytes]:
        for written in parameters:
            parameter = self._followed(written)
            if isinstance(parameter, dict) and parameter.get("in") == "body":
                return _as_json(self._sample(parameter.get("schema")))
        if form:
            return _as_form({field.name: field.value for field in form})
        body = self._followed(operation.get("requestBody"))
        content = body.get("content") if isinstance(body, dict) else None
        if not isinstance(content, dict):
            return "", b""
        kinds = sorted((str(kind) for kind in content), key=lambda kind: ("json" not in kind, "form" not in kind))
        media = self._followed(content[kinds[0]]) if kinds else None
        if not isinstance(media, dict):
            return "", b""
        sample = self._example(media, self._sample(media.get("schema")))
        if "urlencoded" in kinds[0] or "multipart" in kinds[0]:
            return _as_form(sample) if isinstance(sample, dict) else ("", b"")
        if "xml" in kinds[0]:
            return kinds[0], _as_text(sample).encode() if isinstance(sample, str) else b"<root/>"
        return _as_json(sample)

    def _example(self, holder: dict[str, Any], otherwise: Any) -> Any:
        if holder.get("example") is not None:
            return holder["example"]
        examples = holder.get("examples")
        if isinstance(examples, dict) and examples:
            first = self._followed(next(iter(examples.values())))
            return first.get("value", otherwise) if isinstance(first, dict) else otherwise
        return otherwise

    def _sample(self, written: Any, depth: int = 0) -> Any:
        """A value that the schema allows."""
        schema = self._followed(written)
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return "1"
        for key in ("example", "default", "const"):
            if schema.get(key) is not None:
                return schema[key]
        for key in ("enum", "examples"):
            if isinstance(schema.get(key), list) and schema[key]:
                return schema[key][0]
        if isinstance(schema.get("allOf"), list):
            return self._merged([*schema["allOf"], {"properties": schema.get("properties", {})}], depth)
        for key in ("oneOf", "anyOf"):
            if isinstance(schema.get(key), list) and schema[key]:
                return self._sample(schema[key][0], depth + 1)
        return self._by_type(schema, depth)

    def _merged(self, parts: list[Any], depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for part in parts[:20]:
            sample = self._sample(part, depth + 1)
            merged |= sample if isinstance(sample, dict) else {}
        return merged

    def _by_type(self, schema: dict[str, Any], depth: int) -> Any:
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) and kind else kind
        if kind == "object" or "properties" in schema:
            properties = schema.get("properties")
            fields = islice(properties.items(), 100) if isinstance(properties, Mapping) else ()
            return {str(name): self._sample(below, depth + 1) for name, below in fields}
        if kind == "array":
            return [self._sample(schema.get("items"), depth + 1)]
        if kind == "integer":
            return schema.get("minimum", 1)
        if kind == "number":
            return schema.get("minimum", 1.5)
        if kind == "boolean":
            return True
        return _BY_FORMAT.get(str(schema.get("format")), "jindun" if kind == "string" else "1")

    def _followed(self, written: Any) -> Any:
        """What a `$ref` within the document leads to; references elsewhere are not followed."""
        for _ in range(_DEEPEST):
            if not isinstance(written, dict) or not isinstance(written.get("$ref"), str):
                return written
            written = self._at(written["$ref"])
        return None

    def _at(self, reference: str) -> Any:
        found: Any = self._document
        if not reference.startswith("#/"):
            return None
        for step in reference[2:].split("/"):
            step = step.replace("~1", "/").replace("~0", "~")
            found = found.get(step) if isinstance(found, dict) else None
        return found

    def _base_of_all(self) -> str:
        """Where all paths start, relative to the description."""
        servers = _list(self._document.get("servers"))
        if servers and isinstance(servers[0], dict) and isinstance(servers[0].get("url"), str):
            url: str = servers[0]["url"]
            variables = servers[0].get("variables")
            for name, variable in (variables if isinstance(variables, dict) else {}).items():
                url = url.replace(
                    "{" + str(name) + "}", str(variable.get("default", "") if isinstance(variable, dict) else "")
                )
            return url
        base, host = self._document.get("basePath"), self._document.get("host")
        path = base if isinstance(base, str) else "/"
        return f"//{host}{path}" if isinstance(host, str) and host else path


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and value:
        return _as_text(value[0])
    return json.dumps(value, default=str) if isinstance(value, dict) else str(value)


def _as_json(sample: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(sample, ensure_ascii=False, default=str).encode("utf-8", "replace")


def _as_form(fields: Mapping[str, Any]) -> tuple[str, bytes]:
    body = urlencode({name: _as_text(value) for name, value in fields.items()})
    return "application/x-www-form-urlencoded", body.encode()


def _is_token(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) is not None


def _latin(value: str) -> str:
    return quote(value, safe=" !#$%&'()*+,/:;=?@[]^_`{|}~-.\"\\<>")
