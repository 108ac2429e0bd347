"""Shares of keys as files that people hand in: read, found fault with by name and line, told apart by what they rebuild."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from backup.escrow import Share, join, share_from
from secops.model.text import Text
from secops.support.errors import BadInput
from secops.support.system_words import why

_LONGEST_FILE_BYTES = 16 * 1024 * 1024
_MOST_TRIED = 2000


@dataclass(frozen=True, slots=True)
class Given:
    """A share, and where it was read."""

    place: str
    """`file:line`."""
    share: Share


def read_shares(files: Iterable[Path]) -> list[Given]:
    """The share on each line that is neither empty nor a remark (`#`). Raises BadInput with every bad line named."""
    given: list[Given] = []
    faults: list[Text] = []
    for file in files:
        for number, line in enumerate(_lines(file), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            place = f"{file}:{number}"
            try:
                given.append(Given(place, share_from(line)))
            except BadInput as error:
                faults.append(Text(f"{place}:{error.text.zh}", f"{place}: {error.text.en}"))
    if faults:
        raise BadInput(Text("\n".join(one.zh for one in faults), "\n".join(one.en for one in faults)))
    if not given:
        raise BadInput(Text("没有给出任何份额", "no share was given"))
    return given


def require_one_set(given: Sequence[Given]) -> None:
    """Raises BadInput that names those which are not of the set that most are of."""
    sets: dict[tuple[bytes, int, int], list[Given]] = {}
    for one in given:
        sets.setdefault((one.share.set_mark, one.share.needed, len(one.share.values)), []).append(one)
    most = max(sets.values(), key=len)
    if strangers := [one.place for one in given if one not in most]:
        listed = ", ".join(strangers)
        raise BadInput(
            Text(
                f"这些份额不属于同一组:{listed} 与其余 {len(most)} 份不同",
                f"these shares are not of one set: {listed} differ from the other {len(most)}",
            )
        )
    by_number: dict[int, Given] = {}
    for one in given:
        other = by_number.setdefault(one.share.number, one)
        if other.share.values != one.share.values:
            raise BadInput(
                Text(
                    f"{other.place} 与 {one.place} 同为第 {one.share.number} 份而内容不同,其一被改动",
                    f"{other.place} and {one.place} are both number {one.share.number} and differ: one was changed",
                )
            )


def joined(given: Sequence[Given]) -> bytes:
    """What the shares rebuild. Raises BadInput that names the share that was changed, where there are enough to tell."""
    require_one_set(given)
    shares = [one.share for one in given]
    try:
        return join(shares)
    except BadInput as error:
        if len({share.number for share in shares}) <= shares[0].needed:
            raise
        bad = _changed(given)
        if not bad:
            raise
        listed = ", ".join(one.place for one in bad)
        raise BadInput(
            Text(f"{error.text.zh}:{listed} 被改动,其余可恢复", f"{error.text.en}: {listed} was changed, the others do")
        ) from None


def _changed(given: Sequence[Given]) -> list[Given]:
    """Those outside the largest group that rebuilds a secret; nothing when no group does."""
    tried = 0
    for size in range(len(given) - 1, given[0].share.needed - 1, -1):
        for group in combinations(given, size):
            tried += 1
            if tried > _MOST_TRIED:
                return []
            try:
                join([one.share for one in group])
            except BadInput:
                continue
            return [one for one in given if one not in group]
    return []


def _lines(file: Path) -> list[str]:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LONGEST_FILE_BYTES + 1)
    except OSError as error:
        raise BadInput(Text(f"无法读取 {file}:{why(error).zh}", f"{file} cannot be read: {why(error).en}")) from None
    if len(content) > _LONGEST_FILE_BYTES:
        raise BadInput(Text(f"{file} 太大,不是份额文件", f"{file} is too large for a file of shares"))
    return content.decode("utf-8", "replace").splitlines()
