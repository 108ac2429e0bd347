"""Canaries in Redis: a list of their own, the newest first."""

from backup.canary import KEPT, LOOKED_AT, Canary, CanaryWriter, canary_options
from backup.engines.redis import RedisOptions, login_words
from backup.programs import refuse_missing, with_secret
from secops.model.city import Asset, AssetKind, Product
from secops.model.step import Procedure, ProcedureFailed, Step, require
from secops.model.text import Text

_KEY = "jindun:canary"
_SHORT_SECONDS = 60.0
_PUSH = (
    "if redis.call('LINDEX',KEYS[1],0)~=ARGV[1] then redis.call('LPUSH',KEYS[1],ARGV[1]) end "
    f"redis.call('LTRIM',KEYS[1],0,{KEPT - 1}) return 'written'"
)


class RedisCanaryOptions(RedisOptions):
    """How the server is logged in to. The account may run scripts, and all commands for lists on `jindun:canary`."""


class RedisCanaries(CanaryWriter):
    """Redis acknowledges what is in memory; how much of that a crash of it loses is what `appendfsync` says."""

    name = "redis"
    describes = Text("写入 Redis 的一个列表", "into a list of Redis")
    kind = AssetKind.DATABASE
    product = Product.REDIS
    needs = ("redis-cli",)
    options = RedisCanaryOptions
    question = f"LRANGE {_KEY} 0 {LOOKED_AT - 1}"

    def write(self, asset: Asset, canary: Canary) -> Procedure[None]:
        told = yield from _ask(asset, "write the canary", "EVAL", _PUSH, "1", _KEY, canary.line, changes=True)
        # In a rehearsal nothing is told.
        if told.strip() not in ("written", ""):
            refused = told.strip()[:200]
            raise ProcedureFailed(f"Redis {asset.id} 拒绝写入:{refused}", f"Redis {asset.id} refuses it: {refused}")

    def read(self, asset: Asset) -> Procedure[str]:
        return (yield from _ask(asset, "read the canaries", *self.question.split()))


writer = RedisCanaries()


def _ask(asset: Asset, name: str, *words: str, changes: bool = False) -> Procedure[str]:
    login = canary_options(RedisCanaryOptions, asset)
    argv = ("redis-cli", *login_words(asset, login), *words)
    told = yield Step(
        name,
        with_secret(asset.host, "REDISCLI_AUTH", login.password, *argv),
        changes=changes,
        timeout_seconds=_SHORT_SECONDS,
    )
    refuse_missing(told, asset.host, "redis-cli", "redis-tools")
    return require(told, f"Redis {asset.id} 没有回答", f"Redis {asset.id} does not answer").output
