"""The contract of a trial: what was restored is started where nobody else reaches it, asked, and stopped.

One file per product in `backup/trials/`, found by itself. Starting changes the folder (recovery runs in it), so it is
tried after it was compared with its manifest, and what is to be attached is restored anew.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

import backup.trials
from backup.canary import Canary, canaries_in, writer_for
from secops.model.city import Asset, Product
from secops.model.step import Procedure, ProcedureFailed
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.plugins import plugins_in


class TrialFailed(ProcedureFailed):
    """It was tried and is not what it must be. Any other ProcedureFailed says nothing about the copy."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked at and found right, and what was not looked at, with the reason."""

    checked: tuple[Text, ...] = ()
    unchecked: tuple[Text, ...] = ()

    def __add__(self, other: "Looked") -> "Looked":
        return Looked(self.checked + other.checked, self.unchecked + other.unchecked)


@dataclass(frozen=True, slots=True)
class Tried:
    """What a trial that went well proved."""

    start_seconds: float
    """Until it took questions, recovery included."""
    looked: Looked
    canaries: tuple[Canary, ...] | None = None
    """What there is of those that the service writes, the newest first; None: it writes none."""


class TrialOptions(BaseModel):
    """What a trial wants to know of an asset (`tried_with`); the base of the model in the trial's file.

    Questions are in the product's own language: SQL, a command of Redis, a path of Elasticsearch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    canary: str = ""
    """A question whose answer is the moment of the newest canary: ISO 8601 with its zone, or seconds since 1970."""
    canary_within_seconds: float = 300.0
    """How much older than the wanted moment the newest canary may be."""
    question: str = ""
    """The smallest question that proves that the business works."""
    answer: str = ""
    """Text that a good answer to it holds."""


class Trial(ABC):
    """How one product is tried. `start`, `ask`, `inspect` and `stop` are a new trial's own; `run` is what is called."""

    name: ClassVar[str]
    describes: ClassVar[Text]
    product: ClassVar[Product]
    needs: ClassVar[tuple[str, ...]]
    """Programs that must be on the host."""
    options: ClassVar[type[TrialOptions]] = TrialOptions

    @abstractmethod
    def start(self, source: Asset, host: str, folder: str) -> Procedure[float]:
        """Start what was restored into `folder` and made ready, as an unprivileged user, reached by nobody but us (a
        unix socket, or loopback with a login of its own), sending nothing out; the seconds until it took questions.

        What it needs beside the folder is in `folder`.trial. TrialFailed when the data cannot be started from.
        """

    @abstractmethod
    def ask(self, source: Asset, host: str, folder: str, name: str, question: str) -> Procedure[str]:
        """The answer; `name` is the step's. TrialFailed when the product refuses the question."""

    def inspect(self, source: Asset, host: str, folder: str) -> Procedure[Looked]:
        """Look through the data with the product's own means; TrialFailed when they find damage."""
        yield from ()
        return Looked()

    @abstractmethod
    def stop(self, source: Asset, host: str, folder: str) -> Procedure[None]:
        """Stop it, also when it only half started or never did, and remove `folder`.trial."""

    def ask_canaries(self, source: Asset, host: str, folder: str, question: str) -> Procedure[str]:
        """The answer, from where the writer of canaries puts them."""
        return (yield from self.ask(source, host, folder, "read the canaries", question))

    def run(self, source: Asset, host: str, folder: str, wanted: datetime, exact: bool = True) -> Procedure[Tried]:
        """Start, look, stop. `wanted` is the moment that the data is to stand at: the copy's or a later one. Unless
        `exact`, they may hold what came after it: a copy of a running server goes on until its own end."""
        # Not `finally`: a generator that is closed must not yield, and a run that was killed cleans up when resumed.
        try:
            start_seconds = yield from self.start(source, host, folder)
            looked = yield from self._look(source, host, folder, wanted, exact)
            canaries = yield from self._canaries(source, host, folder)
        except ProcedureFailed:
            yield from self.stop(source, host, folder)
            raise
        yield from self.stop(source, host, folder)
        return Tried(start_seconds, looked, canaries)

    def _look(self, source: Asset, host: str, folder: str, wanted: datetime, exact: bool) -> Procedure[Looked]:
        told = trial_options(self.options, source)
        looked = yield from self.inspect(source, host, folder)
        if told.canary:
            newest = yield from self.ask(source, host, folder, "ask for the newest canary", told.canary)
            looked += Looked((judge_canary(newest, wanted, told.canary_within_seconds, exact),))
        elif source.canary is None:
            looked += Looked(unchecked=(_NO_CANARY,))
        if told.question:
            answer = yield from self.ask(source, host, folder, "ask what the business asks", told.question)
            looked += Looked((judge_answer(answer, told.answer),))
        else:
            looked += Looked(unchecked=(_NO_QUESTION,))
        return looked

    def _canaries(self, source: Asset, host: str, folder: str) -> Procedure[tuple[Canary, ...] | None]:
        if source.canary is None:
            return None
        question = writer_for(source).question
        try:
            told = yield from self.ask_canaries(source, host, folder, question)
        except TrialFailed:
            # A copy from before the first canary has no place for them; the ledger knows whether there should be some.
            return ()
        return canaries_in(told, source.id)


def judge_canary(newest: str, wanted: datetime, within_seconds: float, exact: bool = True) -> Text:
    """The sentence that says how fresh the newest canary is; TrialFailed when it is too old or, if it must stand exactly
    there, from after `wanted`."""
    moment = _moment(newest)
    age = (wanted - moment).total_seconds()
    if age > within_seconds:
        raise TrialFailed(
            f"最新的探针记录是 {moment:%F %T}Z,比应有的时刻早 {age:.0f} 秒",
            f"the newest canary is of {moment:%F %T}Z, {age:.0f} s before the wanted moment",
        )
    if exact and moment > wanted + timedelta(seconds=1):
        raise TrialFailed(
            f"有晚于应有时刻的探针记录:{moment:%F %T}Z",
            f"there is a canary from after the wanted moment: {moment:%F %T}Z",
        )
    return Text(
        f"最新探针记录早于应有时刻 {age:.1f} 秒", f"the newest canary is {age:.1f} s older than the wanted moment"
    )


def judge_answer(answer: str, wanted: str) -> Text:
    """The sentence that says that the business answers; TrialFailed when the wanted text is not in the answer."""
    if wanted not in answer:
        raise TrialFailed(
            f"业务查询的结果不含 {wanted!r}:{answer.strip()[:200]!r}",
            f"the answer to the business question lacks {wanted!r}: {answer.strip()[:200]!r}",
        )
    return Text("业务查询结果正确", "the business question was answered as it must be")


def trial_for(asset: Asset) -> Trial | None:
    """The trial of its product; None when there is none, or when it is no database."""
    return next((trial for trial in trials().values() if trial.product is asset.product), None)


@cache
def trials() -> Mapping[str, Trial]:
    """Every trial there is, by name."""
    return plugins_in(backup.trials, Trial)


def trial_options(model: type[TrialOptions], source: Asset) -> TrialOptions:
    """What the asset tells the trial of its product. Raises BadInput."""
    try:
        return model.model_validate(dict(source.tried_with))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInput(
            Text(
                f"资产 {source.id} 的试运行选项 {where} 有误:{first['msg']}",
                f"the option {where} for trying asset {source.id} is wrong: {first['msg']}",
            )
        ) from wrong


def _moment(answer: str) -> datetime:
    text = answer.strip()
    try:
        moment = datetime.fromtimestamp(float(text), UTC) if _is_number(text) else datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise TrialFailed(
            f"探针查询的结果不是带时区的时刻:{text[:100]!r}",
            f"the canary's answer is no moment with a zone: {text[:100]!r}",
        )
    return moment.astimezone(UTC)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()


_NO_CANARY = Text("未检查探针记录:资产没有 canary", "no canary was looked for: the asset has none (canary)")
_NO_QUESTION = Text("未做业务查询:没有给出 question", "no business question was asked: none is given (question)")
