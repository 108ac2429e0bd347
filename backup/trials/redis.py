"""A restored Redis is started on a socket: no network, nothing is written, no master is followed."""

import re
import shlex

from backup.apart import ask_apart, require_file, socket_of, start_apart, stop_apart
from backup.trial import Looked, Trial, TrialFailed
from secops.model.city import Asset, Product
from secops.model.step import Procedure
from secops.model.text import Text

_READ = re.compile(r"(\d+) keys read")
_LOADED = re.compile(r"rdb_last_load_keys_(?:loaded|expired):(\d+)")
_ERROR = re.compile(r"(?:ERR|WRONGTYPE|NOPERM|NOAUTH|MISCONF|LOADING) ")


class RedisTrial(Trial):
    """The server must load as many keys as the snapshot holds; questions are commands as redis-cli takes them."""

    name = "redis"
    describes = Text("启动恢复出的 Redis 并检查", "starts a restored Redis and counts its keys")
    product = Product.REDIS
    needs = ("sh", "redis-server", "redis-cli", "redis-check-rdb", "setpriv", "setsid")

    def start(self, source: Asset, host: str, folder: str) -> Procedure[float]:
        yield from require_file(host, f"{folder}/dump.rdb")
        settings = {
            "port": "0",
            "unixsocket": socket_of(folder),
            "unixsocketperm": "700",
            "dir": folder,
            "dbfilename": "dump.rdb",
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            # What it is known by is its command line.
            "set-proc-title": "no",
        }
        program = ("redis-server", *(word for name, value in settings.items() for word in (f"--{name}", value)))
        ready = ("sh", "-c", 'redis-cli -s "$0" PING | grep -qx PONG', f"{folder}.trial/socket")
        return (yield from start_apart(host, folder, program, ready, "redis", "redis-server"))

    def ask(self, source: Asset, host: str, folder: str, name: str, question: str) -> Procedure[str]:
        words = shlex.split(question)
        answer = yield from ask_apart(host, folder, name, ("redis-cli", "-s", f"{folder}.trial/socket", *words))
        if _ERROR.match(answer):
            raise TrialFailed(f"Redis 拒绝:{answer.strip()[:300]}", f"Redis refuses: {answer.strip()[:300]}")
        return answer

    def inspect(self, source: Asset, host: str, folder: str) -> Procedure[Looked]:
        checked = yield from ask_apart(host, folder, "check the snapshot", ("redis-check-rdb", f"{folder}/dump.rdb"))
        told = yield from self.ask(source, host, folder, "ask how many keys were loaded", "INFO persistence")
        loaded = sum(map(int, _LOADED.findall(told)))
        read = _READ.search(checked)
        if read and int(read[1]) != loaded:
            raise TrialFailed(
                f"快照有 {read[1]} 个键,只载入 {loaded} 个", f"the snapshot has {read[1]} keys, {loaded} were loaded"
            )
        return Looked((Text(f"{loaded} 个键全部载入", f"all {loaded} keys were loaded"),))

    def stop(self, source: Asset, host: str, folder: str) -> Procedure[None]:
        yield from stop_apart(host, folder)


trial = RedisTrial()
