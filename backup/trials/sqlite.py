"""A restored SQLite database is opened where it lies; it has no server, and looking leaves no file."""

from urllib.parse import quote

from backup.apart import require_file
from backup.engines.sqlite import DATABASE
from backup.trial import Looked, Trial, TrialFailed
from secops.model.city import Asset, Product
from secops.model.step import Command, Procedure, Step
from secops.model.text import Text

_LOOK_SECONDS = 6 * 3600.0


class SqliteTrial(Trial):
    """The whole database is read by `integrity_check`, and its references are followed."""

    name = "sqlite"
    describes = Text("打开恢复出的 SQLite 数据库并检查", "opens a restored SQLite database and looks through it")
    product = Product.SQLITE
    needs = ("sqlite3",)

    def start(self, source: Asset, host: str, folder: str) -> Procedure[float]:
        yield from require_file(host, f"{folder}/{DATABASE}")
        opened = yield Step("open the database", _query(host, folder, "SELECT count(*) FROM sqlite_master"), assume="0")
        _require(opened.ok, opened.error_output or opened.reason)
        return opened.seconds

    def ask(self, source: Asset, host: str, folder: str, name: str, question: str) -> Procedure[str]:
        answer = yield Step(name, _query(host, folder, question), assume="-", timeout_seconds=_LOOK_SECONDS)
        _require(answer.ok, answer.error_output or answer.reason)
        return answer.output

    def inspect(self, source: Asset, host: str, folder: str) -> Procedure[Looked]:
        whole = yield from self.ask(source, host, folder, "read the whole database", "PRAGMA integrity_check")
        _require(whole.strip() in ("ok", "-"), whole)
        dangling = yield from self.ask(source, host, folder, "follow its references", "PRAGMA foreign_key_check")
        well = Text("integrity_check 通过", "integrity_check found nothing")
        if rows := [line for line in dangling.splitlines() if line not in ("", "-")]:
            return Looked((well, Text(f"{len(rows)} 处外键悬空", f"{len(rows)} references lead nowhere")))
        return Looked((well,))

    def stop(self, source: Asset, host: str, folder: str) -> Procedure[None]:
        yield from ()


trial = SqliteTrial()


def _query(host: str, folder: str, question: str) -> Command:
    database = f"file:{quote(folder)}/{DATABASE}?immutable=1"
    return Command(host, ("sqlite3", "-init", "/dev/null", "-batch", "-bail", database, question))


def _require(well: bool, said: str) -> None:
    if not well:
        why = said.strip()[:300]
        raise TrialFailed(f"恢复出的 SQLite 数据库有误:{why}", f"the restored SQLite database is not well: {why}")
