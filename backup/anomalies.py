"""What the copies themselves tell of an intruder: what grew, shrank, was dated ahead, deleted or replaced. Pure."""

import re
import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from backup.protection import Protected, Shelf
from backup.shortfall import weakness
from secops.model.finding import Severity, Weakness
from secops.model.restore_point import RestorePoint
from secops.model.text import Text
from secops.support.clock import to_text

_HISTORY = 20
"""Copies before the newest that it is compared with."""
_LEAST_HISTORY = 3
_CHURN = 10.0
"""Times the usual growth."""
_LEAST_CHURN_BYTES = 10 * 1024 * 1024
_SHRUNKEN = 0.5
"""Of the usual size."""
_RANDOM = 0.95
"""Compressed size over size of what looks random: encrypted, or packed already."""
_MORE_RANDOM = 0.2
_AHEAD = timedelta(minutes=5)
"""As far as clocks may differ."""
_ARCHIVE_TIME = re.compile(r"-(\d{8}T\d{6}Z)$")


def anomalies(protected: Protected, moment: datetime) -> Iterator[Weakness]:
    """Everything odd about the copies of one asset."""
    for shelf in protected.shelves:
        if len(shelf.points) > _LEAST_HISTORY and not shelf.vault.pulls_from:
            yield from _unlike_before(shelf)
        yield from _dated_ahead(shelf, moment)
        yield from _looked_for(shelf)


def _unlike_before(shelf: Shelf) -> Iterator[Weakness]:
    """The newest copy against those before it; it is forgotten once copies are again as they were."""
    newest, before = shelf.points[0], shelf.points[1 : 1 + _HISTORY]
    # The first copy of a repository brings everything, and says nothing of what is usual.
    usual_growth = statistics.median(point.added_bytes for point in before)
    if newest.added_bytes > max(_CHURN * usual_growth, _LEAST_CHURN_BYTES):
        yield _odd(
            "churn",
            shelf,
            Text("备份增量激增", "A copy brought far more than usual"),
            Text(
                f"{newest.id} 新增 {newest.added_bytes} 字节,平时约 {usual_growth:.0f} 字节;大量文件被改写是勒索软件的早期迹象",
                f"{newest.id} added {newest.added_bytes} bytes, usually it is about {usual_growth:.0f}; many files "
                "rewritten at once are an early sign of ransomware",
            ),
        )
    usual_size = statistics.median(point.size_bytes for point in before)
    if newest.size_bytes < _SHRUNKEN * usual_size:
        yield _odd(
            "shrunken",
            shelf,
            Text("源数据骤减", "The source has shrunk"),
            Text(
                f"{newest.id} 只有 {newest.size_bytes} 字节,平时约 {usual_size:.0f} 字节",
                f"{newest.id} holds {newest.size_bytes} bytes, usually it is about {usual_size:.0f}",
            ),
        )
    yield from _more_random(shelf, newest, before)


def _more_random(shelf: Shelf, newest: RestorePoint, before: Sequence[RestorePoint]) -> Iterator[Weakness]:
    shares = [share for point in before if (share := _packed_share(point)) is not None]
    share = _packed_share(newest)
    if share is None or len(shares) < _LEAST_HISTORY:
        return
    usual = statistics.median(shares)
    if share > _RANDOM and share - usual > _MORE_RANDOM:
        yield _odd(
            "entropy",
            shelf,
            Text("数据变得无法压缩", "What was copied can no longer be compressed"),
            Text(
                f"{newest.id} 压缩后为原来的 {share:.0%},平时 {usual:.0%};文件可能已被加密",
                f"{newest.id} packs to {share:.0%} of its size, usually {usual:.0%}; the files may have been encrypted",
            ),
        )


def _packed_share(point: RestorePoint) -> float | None:
    return point.packed_bytes / point.size_bytes if point.packed_bytes and point.size_bytes else None


def _dated_ahead(shelf: Shelf, moment: datetime) -> Iterator[Weakness]:
    """By the catalogue, and by the names of copies in the vault that the catalogue does not know."""
    ahead = {point.archive for point in shelf.points if point.taken > moment + _AHEAD}
    for name in shelf.look.archives if shelf.look else ():
        dated = _ARCHIVE_TIME.search(name)
        if dated and datetime.strptime(dated[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) > moment + _AHEAD:
            ahead.add(name)
    if ahead:
        first = min(ahead)
        yield _odd(
            "future-dated",
            shelf,
            Text("备份的时间在将来", "A copy is dated in the future"),
            Text(
                f"{shelf.vault.id} 中有 {len(ahead)} 份备份的时间在将来,如 {first};它们不会挤掉好的备份",
                f"{len(ahead)} copies in {shelf.vault.id} are dated in the future, {first} for one; they push no good "
                "one out",
            ),
        )


def _looked_for(shelf: Shelf) -> Iterator[Weakness]:
    """What the vault was seen to hold against what the catalogue says."""
    look = shelf.look
    if look is None:
        return
    held = set(look.archives)
    lost = [point.archive for point in shelf.points if point.taken < look.looked and point.archive not in held]
    if lost:
        yield _odd(
            "lost",
            shelf,
            Text("备份从备份库中消失", "Copies are gone from their vault"),
            Text(
                f"目录中的 {len(lost)} 份备份已不在 {shelf.vault.id} 中,如 {lost[0]};清理只由本服务执行",
                f"{len(lost)} copies that the catalogue lists are no longer in {shelf.vault.id}, {lost[0]} for one; "
                "nobody but this service clears copies",
            ),
        )
    before = [point.archive for point in shelf.points if look.changed and point.taken < look.changed]
    if look.changed and before:
        yield _odd(
            "identity-changed",
            shelf,
            Text("备份库的存储或密钥被更换", "The repository of a vault, or its key, was replaced"),
            Text(
                f"{shelf.vault.id} 的标识在 {to_text(look.changed)} 由 {look.former[:16]}… 变为 {look.identity[:16]}…;"
                f"此前的 {len(before)} 份备份可能已打不开",
                f"the identity of {shelf.vault.id} changed from {look.former[:16]}… to {look.identity[:16]}… at "
                f"{to_text(look.changed)}; {len(before)} copies from before may not open",
            ),
        )


def _odd(rule: str, shelf: Shelf, title: Text, reason: Text) -> Weakness:
    mend = Text(
        "先不要清理任何备份;查明原因,恢复时选用此前已证明干净的备份",
        "clear no copies for now; find the cause, and restore from a copy of before that is proven clean",
    )
    return weakness(rule, (shelf.vault.id,), Severity.HIGH, title, reason, mend, ("8.1.4.9 a", "8.1.5.4 d"))
