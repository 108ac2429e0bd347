"""Names and passwords that systems are delivered with, and the signs that an account is about to be locked."""

import re

USUAL_LOGINS = (
    ("admin", "admin"),
    ("admin", "123456"),
    ("root", "root"),
    ("test", "test"),
    ("guest", "guest"),
    ("system", "manager"),
)
"""At most two for one account: accounts are locked at five failures, or at three."""
LOCKED = re.compile(
    r"lock(ed|out)|too many|captcha|verification code|try again (later|in)|attempts? (left|remaining)"
    r"|锁定|次数过多|验证码|稍后再试|剩余.{0,6}次",
    re.IGNORECASE,
)
