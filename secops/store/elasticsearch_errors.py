"""What may go wrong between us and Elasticsearch, each told in a sentence."""

from secops.model.text import Text
from secops.support.errors import BadInput, Incomplete


class Unreachable(Incomplete):
    """No node answered in time; what was sent may have been done."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(Text(f"连不上 Elasticsearch {where}:{why}", f"cannot reach Elasticsearch at {where}: {why}"))


class Untrusted(Incomplete):
    """The certificate is not the one to trust; nothing was sent."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            Text(
                f"{where} 的证书不可信({why});未发送任何内容,请检查 ca_file 或 fingerprint",
                f"the certificate of {where} is not trusted ({why}); nothing was sent, check ca_file or fingerprint",
            )
        )


class Busy(Incomplete):
    """The server took nothing of the request (429, 502, 503, 504); later it may."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            Text(
                f"Elasticsearch {where} 繁忙或暂不可用({why}),请稍后再试",
                f"Elasticsearch at {where} is busy or not ready ({why}); try again later",
            )
        )


class TooLarge(Incomplete):
    """The request holds more than the server takes at once; smaller ones may pass."""

    def __init__(self, where: str) -> None:
        super().__init__(
            Text(f"请求超出 Elasticsearch {where} 的上限", f"the request is larger than Elasticsearch at {where} takes")
        )


class Blocked(Incomplete):
    """The server takes no writes now: read-only, or its disk is full."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            Text(
                f"Elasticsearch {where} 现在不接受写入({why});请检查磁盘与索引的只读设置",
                f"Elasticsearch at {where} takes no writes now ({why}); look at its disk and at read-only indices",
            )
        )


class Refused(Incomplete):
    """The server refused what it was given, and would again."""

    def __init__(self, where: str, what: str, why: str) -> None:
        super().__init__(
            Text(f"Elasticsearch {where} 拒绝了 {what}({why})", f"Elasticsearch at {where} refused {what} ({why})")
        )


class IndexMissing(Incomplete):
    """An index or alias of ours is not there."""

    def __init__(self, where: str) -> None:
        super().__init__(
            Text(
                f"Elasticsearch {where} 上缺少索引;请运行 secops store setup",
                f"an index is missing at {where}; run `secops store setup`",
            )
        )


class IncompleteAnswer(Incomplete):
    """Part of the cluster did not answer a search."""

    def __init__(self, where: str) -> None:
        super().__init__(
            Text(
                f"Elasticsearch {where} 有分片未应答,结果不完整,因此不予给出",
                f"part of Elasticsearch at {where} did not answer; an incomplete result is not given out",
            )
        )


class LoginRefused(BadInput):
    """Wrong user, password or key, or not enough rights."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(
            Text(
                f"Elasticsearch {where} 拒绝了登录或权限不足({why})",
                f"Elasticsearch at {where} refused the login or the right to do this ({why})",
            )
        )


class WrongProduct(BadInput):
    """Something else answers there."""

    def __init__(self, where: str) -> None:
        super().__init__(
            Text(
                f"{where} 不是 Elasticsearch(OpenSearch 不受支持)",
                f"{where} is not Elasticsearch (OpenSearch is not supported)",
            )
        )
