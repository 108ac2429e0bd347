"""Options that several verbs share. Imported by verbs only: their texts are read once the language is known."""

from typing import Annotated

import typer

from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.language import say

ProxyUrl = Annotated[
    str,
    typer.Option(
        "--proxy",
        metavar="URL",
        help=say(
            zh="经由代理:socks5://、http:// 或 connect://(一律用隧道)主机:端口;可写 ${env:X} 引用。",
            en="Go through a proxy: socks5://, http:// or connect:// (always by tunnel) host:port; may be ${env:X}.",
        ),
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help=say(zh="输出 JSON。", en="Print JSON."))]
Listen = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS:PORT",
        help=say(
            zh="监听地址;端口 0 为任一空闲端口。没有认证,请勿对外。",
            en="Where to listen; port 0 is any free one. Nobody is asked who they are: keep it to this machine.",
        ),
    ),
]


def listen_address(listen: str) -> tuple[str, int]:
    """The address and the port that were written. Raises BadInput."""
    address, _, port = listen.rpartition(":")
    if not address or not port.isdecimal():
        raise BadInput(
            Text(f"“{listen}”不是监听地址,例:127.0.0.1:9466", f"“{listen}” is no address like 127.0.0.1:9466")
        )
    return address.strip("[]"), int(port)
