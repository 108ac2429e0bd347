"""Learned names that mean nothing are dropped, and those that mean something are kept."""

import asyncio
import time
from collections.abc import Callable

import pytest
from flask import Flask, Response, request

from scanners.web.finding_points import Learned, points_of
from scanners.web.inert import is_inert, without_inert
from scanners.web.message import Request
from scanners.web.points import Point, Where
from scanners.web.urls import target_of
from tests.lab.sites import loopback_client, running_flask

pytestmark = pytest.mark.slow
NAMES = tuple(f"x-name-{letter}" for letter in "abcdefghijkl")
READERS: dict[str, Callable[[], str | Response]] = {
    "nothing": lambda: "hello",
    "header": lambda: f"hello {request.headers.get('x-name-e', '')}",
    "cookie": lambda: f"hello {request.cookies.get('x-name-b', '')}",
    "quiet": lambda: "error" if "'" in request.headers.get("x-name-g", "") else "hello",
    "redirect": lambda: Response("", 302, {"Location": "/a" if request.headers.get("x-name-a") else "/b"}),
    "noisy": lambda: f"hello {time.time_ns():x} " + "word " * 200,
    "noisy-header": lambda: f"hello {time.time_ns():x} " + "word " * 200 + request.headers.get("x-name-k", ""),
}
LIVE = {
    "nothing": set[tuple[Where, str]](), "header": {(Where.HEADER, "x-name-e")}, "cookie": {(Where.COOKIE, "x-name-b")},
    "quiet": {(Where.HEADER, "x-name-g")}, "redirect": {(Where.HEADER, "x-name-a")}, "noisy": set(),
    "noisy-header": {(Where.HEADER, "x-name-k")},
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_only_what_matters_is_kept(name: str) -> None:
    app = Flask("reader")
    app.add_url_rule("/", "read", READERS[name])
    asked = Request("GET", "/?q=1")

    async def story(url: str) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
        points = points_of(target_of(url), asked, learned=Learned(NAMES, NAMES))
        async with loopback_client() as client:
            return points, await without_inert(client, points)

    with running_flask(app) as site:
        points, kept = asyncio.run(story(site.url))
        sent = len(site.asked)
    assert {(point.where, point.name) for point in kept if point.is_new} == LIVE[name]
    assert [point for point in kept if not point.is_new] == [point for point in points if not point.is_new]
    assert sent <= (4 if not LIVE[name] else 20)


def test_one_point() -> None:
    app = Flask("one")
    app.add_url_rule("/", "read", lambda: f"hello {request.args.get('q')}")

    async def story(url: str) -> dict[str, bool]:
        points = points_of(target_of(url), Request("GET", "/?q=a&r=b"))
        async with loopback_client() as client:
            return {point.name: await is_inert(client, point) for point in points if point.part == "value"}

    with running_flask(app) as site:
        assert asyncio.run(story(site.url)) == {"q": False, "r": True, "": False}
