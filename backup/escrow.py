"""Keys in split escrow: a secret becomes n shares, of which any k rebuild it and fewer tell nothing but its length.

Shamir's scheme over GF(256): each byte is the constant term of a polynomial of degree k - 1, and a share holds its
values at one point other than zero. A checksum of the secret is split with it, so that a share that was changed is
noticed; a mark of its set goes with every share, so that those of different sets are not mixed.
"""

import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from hmac import compare_digest

from secops.model.text import Text
from secops.support.errors import BadInput

_MOST = 255
"""Points other than zero that the field has."""
_SUM_BYTES = 16
_SET_BYTES = 8
_LABEL = "jindun-share-1"


@dataclass(frozen=True, slots=True)
class Share:
    """One holder's part."""

    set_mark: bytes
    needed: int
    number: int
    """The point, from 1."""
    values: bytes

    @property
    def text(self) -> str:
        """One printable line, with a checksum of its own against slips of the pen."""
        body = f"{_LABEL}:{self.needed}:{self.number}:{self.set_mark.hex()}:{b64encode(self.values).decode()}"
        return f"{body}:{_slip(body)}"


def split(
    secret: bytes, needed: int, holders: int, random_bytes: Callable[[int], bytes] = secrets.token_bytes
) -> tuple[Share, ...]:
    """`holders` shares of which any `needed` rebuild the secret. Raises BadInput.

    `random_bytes` must be unpredictable, or fewer shares than needed tell something.
    """
    if not 2 <= needed <= holders <= _MOST:
        raise BadInput(
            Text(
                f"不能把密钥拆成 {holders} 份、以 {needed} 份恢复:应为 2 ≤ k ≤ n ≤ {_MOST}",
                f"a key cannot be split {needed} of {holders}: 2 ≤ k ≤ n ≤ {_MOST} must hold",
            )
        )
    whole = sha256(secret).digest()[:_SUM_BYTES] + secret
    set_mark = random_bytes(_SET_BYTES)
    rows = [whole, *(random_bytes(len(whole)) for _ in range(needed - 1))]
    return tuple(Share(set_mark, needed, number, _values(rows, number)) for number in range(1, holders + 1))


def join(shares: Sequence[Share]) -> bytes:
    """The secret. Raises BadInput for too few shares, those of different sets, and one that was changed."""
    if not shares or len({(share.set_mark, share.needed, len(share.values)) for share in shares}) > 1:
        raise BadInput(Text("这些份额不属于同一组", "these shares are not of one set"))
    distinct = {share.number: share for share in shares}
    needed = shares[0].needed
    if len(distinct) < needed:
        raise BadInput(
            Text(
                f"需要 {needed} 份不同的份额,只有 {len(distinct)} 份",
                f"{needed} shares are needed, {len(distinct)} given",
            )
        )
    # Extra shares are used too: one that was changed among them is noticed.
    whole = _at_zero(list(distinct.values()))
    summed, secret = whole[:_SUM_BYTES], whole[_SUM_BYTES:]
    if not compare_digest(summed, sha256(secret).digest()[:_SUM_BYTES]):
        raise BadInput(
            Text("份额中有被改动的,无法恢复", "one of the shares was changed: nothing can be rebuilt from them")
        )
    return secret


def share_from(line: str) -> Share:
    """The share that the line is the text of. Raises BadInput."""
    body, _, slip = line.strip().rpartition(":")
    parts = body.split(":")
    if len(parts) != 5 or parts[0] != _LABEL:
        raise BadInput(Text("这不是密钥份额", "this is no share of a key"))
    if slip != _slip(body):
        raise BadInput(Text("份额抄写有误:校验和不符", "the share was copied wrong: its checksum does not match"))
    try:
        share = Share(bytes.fromhex(parts[3]), int(parts[1]), int(parts[2]), b64decode(parts[4], validate=True))
    except ValueError:
        raise BadInput(Text("这不是密钥份额", "this is no share of a key")) from None
    if not (2 <= share.needed <= _MOST and 1 <= share.number <= _MOST and len(share.values) >= _SUM_BYTES):
        raise BadInput(Text("份额的数字不合理", "the numbers of the share make no sense"))
    return share


def _slip(body: str) -> str:
    return sha256(body.encode()).hexdigest()[:8]


def _tables() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Powers of the generator 3 modulo x^8 + x^4 + x^3 + x + 1, twice over, and their logarithms."""
    powers, value = [], 1
    for _ in range(_MOST):
        powers.append(value)
        double = value << 1 ^ (0x11B if value & 0x80 else 0)
        value ^= double
    logarithms = [0] * 256
    for exponent, power in enumerate(powers):
        logarithms[power] = exponent
    return (*powers, *powers), tuple(logarithms)


_POWERS, _LOGARITHMS = _tables()


def _times(left: int, right: int) -> int:
    return _POWERS[_LOGARITHMS[left] + _LOGARITHMS[right]] if left and right else 0


def _over(left: int, right: int) -> int:
    """`right` is not zero."""
    return _POWERS[_LOGARITHMS[left] - _LOGARITHMS[right] + _MOST] if left else 0


def _values(rows: Sequence[bytes], point: int) -> bytes:
    """The polynomials whose coefficients are the columns of `rows`, constant term first, at the point."""
    return bytes(
        reduce(lambda value, each: _times(value, point) ^ each, reversed(column), 0)
        for column in zip(*rows, strict=True)
    )


def _at_zero(shares: Sequence[Share]) -> bytes:
    """Lagrange's interpolation: subtraction is addition in this field."""
    points = [share.number for share in shares]
    weights = [_weight(point, points) for point in points]
    columns: Iterable[tuple[int, ...]] = zip(*(share.values for share in shares), strict=True)
    return bytes(
        _sum(_times(value, weight) for value, weight in zip(column, weights, strict=True)) for column in columns
    )


def _weight(point: int, points: Sequence[int]) -> int:
    factors = (_over(other, other ^ point) for other in points if other != point)
    return reduce(_times, factors, 1)


def _sum(values: Iterable[int]) -> int:
    return reduce(lambda left, right: left ^ right, values, 0)
