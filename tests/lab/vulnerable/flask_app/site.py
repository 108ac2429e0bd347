"""What every page of the application shares; `flaw` adds a page twice, flawed and fixed."""

import secrets
from collections.abc import Callable
from functools import partial
from time import time_ns
from typing import Any

from flask import Flask, Response, request

SITE = Flask(__name__)
View = Callable[..., Any]
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
}


def flaw(path: str, *methods: str) -> Callable[[View], View]:
    """Register a view, whose first argument tells whether it is flawed, below /flawed and below /fixed."""

    def add(view: View) -> View:
        for word in ("flawed", "fixed"):
            bound = partial(view, word == "flawed")
            SITE.add_url_rule(f"/{word}{path}", f"{word}{path}", bound, methods=list(methods or ("GET",)))
        return view

    return add


def page(content: str, status: int = 200, noisy: bool = False) -> tuple[str, int]:
    """An HTML page; a noisy one never looks the same twice."""
    noise = f"<!-- {time_ns()} --><input type=hidden name=nonce value={secrets.token_hex(8)}>" if noisy else ""
    return f"<!doctype html><html><head><title>Lab</title></head><body>{content}{noise}</body></html>", status


def asked(name: str, default: str = "") -> str:
    """A field of the query or of the form."""
    return request.values.get(name, default)


@SITE.after_request
def protect(response: Response) -> Response:
    """The headers that a good site sends; a page of the class `headers` asks to be left bare."""
    bare = response.headers.pop("X-Bare", None)
    for name, value in () if bare else _HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    response.headers.pop("Server", None)
    return response
