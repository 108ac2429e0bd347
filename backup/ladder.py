"""The ladder of verification as data: what each rung does, what it proves, and what it costs in reading."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from secops.model.restore_point import Rung
from secops.model.text import Text

SAMPLE_PERCENT = 10
"""How much of a copy the second rung reads back."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rung, as people read it."""

    name: Text
    does: Text
    finds: Text
    """What no rung below it finds."""
    reads: float
    """Bytes read for it, in parts of the copy's size."""


LADDER: Mapping[Rung, Step] = MappingProxyType(
    {
        Rung.REPOSITORY: Step(
            Text("存储检查", "repository check"),
            Text("检查备份库中的存储是否自洽(校验和、索引)", "checks that the vault's repository hangs together"),
            Text("损坏、截短、丢失的存储段", "segments that are damaged, cut short or gone"),
            0.0,
        ),
        Rung.SAMPLE: Step(
            Text("抽样读回", "sampled read"),
            Text("解密读回部分文件,每次不同", "decrypts and reads back a part of the files, others each time"),
            Text("口令不对、清单损坏、备份被删除", "a wrong key, a damaged manifest of the vault, a copy that is gone"),
            SAMPLE_PERCENT / 100,
        ),
        Rung.RESTORE: Step(
            Text("完整恢复", "full restore"),
            Text(
                "恢复到隔离区,按哈希清单逐个文件比对",
                "restores all of it to scratch and compares every file with the manifest of hashes",
            ),
            Text(
                "内容、权限、属主、时间、硬链接、扩展属性与 ACL;缺失与多出的文件",
                "content, modes, owners, times, hard links, attributes and ACLs; missing and extra files",
            ),
            2.0,
        ),
        Rung.SCAN: Step(
            Text("恶意代码与篡改扫描", "malware and tamper scan"),
            Text(
                "用 YARA 规则、ClamAV、网页检查扫描恢复出的目录",
                "scans the restored tree with YARA rules, ClamAV and the checks for pages",
            ),
            Text("忠实备份下来的恶意文件和被篡改的页面", "malware and tampered pages that were copied faithfully"),
            1.0,
        ),
        Rung.BUSINESS: Step(
            Text("应用试运行", "trial of the application"),
            Text(
                "在隔离处启动应用并做业务检查",
                "starts the application in an isolated place and asks its business check",
            ),
            Text(
                "文件完好却启动不了、缺日志段、数据陈旧",
                "what is whole as files and does not start, lacks a log segment, or is stale",
            ),
            1.0,
        ),
    }
)


def bytes_for(rung: Rung, size_bytes: int) -> int:
    """What climbing to the rung reads of a copy of that size, all rungs below included."""
    return round(size_bytes * _READS[rung])


_READS = {rung: sum(step.reads for each, step in LADDER.items() if each <= rung) for rung in Rung}
