"""Open TCP ports against the declared ones."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from scanners.check import Baseline, Check
from scanners.endings import NotApplicable, Unreachable
from scanners.reach import PortState, Reach
from secops.model.city import Asset, AssetKind
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

HIGH_RISK = frozenset(
    {21, 23, 69, 111, 135, 137, 138, 139, 445, 512, 513, 514, 515, 873, 2049, 2375}
    | {3306, 3389, 5432, 5900, 6379, 9200, 11211, 27017}
)
"""Ports of services that attackers look for first: clear text, file sharing, remote desktops, bare databases."""
COMMON = frozenset(
    {22, 25, 53, 80, 81, 88, 110, 143, 389, 443, 465, 587, 631, 636, 808, 993, 995, 1080, 1099, 1433, 1521, 1723, 1883}
    | {2181, 2376, 2379, 3000, 3128, 4848, 5000, 5601, 5672, 5985, 6443, 7001, 7002, 8000, 8008, 8009, 8080, 8081, 8088}
    | {8161, 8443, 8848, 8888, 9000, 9001, 9042, 9090, 9092, 9100, 9300, 9443, 10000, 10050, 10250, 15672, 50000, 50070}
)
CLEAR_TEXT = {21: "FTP", 23: "Telnet", 512: "rexec", 513: "rlogin", 514: "rsh"}
"""Remote administration that can be listened to."""
_AT_ONCE = 32
_KNOCK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Ports:
    """What answered. All other ports that were tried are closed or filtered."""

    tried: int
    open: tuple[int, ...]
    declared_closed: tuple[int, ...]
    declared_filtered: tuple[int, ...]


class TcpPorts(Check[Ports]):
    """Knocks at the common, the high-risk and the declared ports."""

    name = "tcp-ports"
    title = Text("TCP 端口与登记是否一致", "TCP ports against the declared ones")
    describes = Text(
        "对常见端口、高危端口和已登记端口逐一建立 TCP 连接,不发送数据。"
        "开放而未登记的端口是弱点,已登记而未开放的端口予以提示。",
        "Connects to the common, the high-risk and the declared TCP ports and sends nothing. "
        "A port that is open and not declared is a weakness; one that is declared and not open is pointed out.",
    )
    kinds = frozenset({AssetKind.HOST, AssetKind.DATABASE, AssetKind.NETWORK_DEVICE})
    observed_type = Ports
    noisy = True

    async def observe(self, asset: Asset, reach: Reach) -> Ports:
        """Knock at every port of interest."""
        if not asset.address:
            raise NotApplicable(Text("资产没有登记地址", "the asset has no address declared"))
        wanted = sorted(HIGH_RISK | COMMON | set(asset.ports))
        gate = asyncio.Semaphore(_AT_ONCE)

        async def knock(port: int) -> PortState:
            async with gate:
                return await reach.connect(asset.address, port, _KNOCK_SECONDS)

        states = dict(zip(wanted, await asyncio.gather(*map(knock, wanted)), strict=True))
        if set(states.values()) == {PortState.FILTERED}:
            raise Unreachable(
                Text(f"{asset.address} 的所有端口均无应答", f"no port of {asset.address} gave any answer")
            )
        declared = sorted(set(asset.ports))
        return Ports(
            tried=len(wanted),
            open=tuple(port for port in wanted if states[port] is PortState.OPEN),
            declared_closed=tuple(port for port in declared if states[port] is PortState.CLOSED),
            declared_filtered=tuple(port for port in declared if states[port] is PortState.FILTERED),
        )

    def judge(
        self,
        asset: Asset,
        observed: Ports,
        baseline: Baseline[Ports] | None,
    ) -> Iterable[Weakness]:
        """Undeclared and open, declared and not open, declared and clear text."""
        for port in observed.open:
            if port not in asset.ports:
                yield _undeclared(asset, port)
            elif port in CLEAR_TEXT:
                yield _clear_text(port)
        for port in (*observed.declared_closed, *observed.declared_filtered):
            yield _missing(port, filtered=port in observed.declared_filtered)


def _undeclared(asset: Asset, port: int) -> Weakness:
    risky = port in HIGH_RISK
    declared = ", ".join(map(str, sorted(asset.ports)))
    return Weakness(
        weakness_class=WeaknessClass.PORT,
        rule="tcp-ports.undeclared-open",
        locator=("tcp", str(port)),
        severity=Severity.HIGH if risky else Severity.MEDIUM,
        title=Text(f"端口 {port} 开放但未登记", f"port {port} is open and not declared"),
        reason=Text(
            f"TCP {port} 接受连接{',属于高危端口' if risky else ''};已登记端口:{declared or '无'}。",
            f"TCP {port}{', a high-risk port,' if risky else ''} accepts connections; declared: {declared or 'none'}.",
        ),
        mend=Text(
            "关闭该服务或在防火墙上限制来源;确属业务需要的,在资产清单中登记。",
            "Stop the service or limit who may reach it; if the business needs it, declare it in the inventory.",
        ),
        clauses=("8.1.4.4 b",),
    )


def _clear_text(port: int) -> Weakness:
    service = CLEAR_TEXT[port]
    return Weakness(
        weakness_class=WeaknessClass.PORT,
        rule="tcp-ports.clear-text",
        locator=("tcp", str(port)),
        severity=Severity.MEDIUM,
        title=Text(f"端口 {port}({service})明文传输口令", f"port {port} ({service}) carries passwords in clear text"),
        reason=Text(
            f"已登记的 TCP {port} 是 {service} 的端口,口令在网络上可被窃听。",
            f"The declared TCP {port} is the port of {service}, whose passwords can be listened to on the network.",
        ),
        mend=Text("改用 SSH、SFTP 等加密的管理方式。", "Use an encrypted way instead, such as SSH or SFTP."),
        clauses=("8.1.4.1 c",),
    )


def _missing(port: int, filtered: bool) -> Weakness:
    how = Text("没有应答", "gives no answer") if filtered else Text("拒绝连接", "refuses connections")
    return Weakness(
        weakness_class=WeaknessClass.PORT,
        rule="tcp-ports.declared-not-open",
        locator=("tcp", str(port)),
        severity=Severity.LOW,
        title=Text(f"已登记的端口 {port} 未开放", f"declared port {port} is not open"),
        reason=Text(f"TCP {port} 已登记,但{how.zh}。", f"TCP {port} is declared but {how.en}."),
        mend=Text(
            "确认服务是否停止;不再使用的端口从资产清单中删除。",
            "See whether the service is down; take a port that is no longer used out of the inventory.",
        ),
        clauses=("8.1.4.4 b",),
    )


TCP_PORTS = TcpPorts()
