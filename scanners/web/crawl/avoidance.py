"""What a crawler must not touch by itself: what ends the session, and what deletes, stops or pays."""

import re
from itertools import pairwise
from urllib.parse import unquote, urlsplit

from scanners.web.crawl.lead import Lead

_WORD_BREAKS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[0-9])(?=[a-z])|[^A-Za-z0-9\u4e00-\u9fff]+")
_ENDS_SESSION = frozenset(
    {
        "logout",
        "logoff",
        "signout",
        "signoff",
        "loginout",
        "disconnect",
        "exit",
        "quit",
        "invalidate",
        "zhuxiao",
        "tuichu",
    }
)
_ENDS_SESSION_IN_TWO = frozenset({("log", "out"), ("log", "off"), ("sign", "out"), ("sign", "off"), ("login", "out")})
_ENDS_SESSION_ZH = re.compile(r"退出|注销|登出|签退|切换(?:用户|账号|帐号)")
_ENDS_SESSION_TEXT = re.compile(r"\b(?:log|sign)[\s-]?(?:out|off)\b", re.IGNORECASE)
_CHANGES = frozenset(
    {"delete", "del", "remove", "destroy", "drop", "truncate", "purge", "erase", "wipe", "uninstall", "unsubscribe"}
    | {"shutdown", "reboot", "restart", "poweroff", "halt", "format", "factoryreset", "shanchu", "terminate"}
)
_CHANGES_ZH = re.compile(r"删除|清空|清除|销毁|卸载|关机|重启|停用|作废|格式化|恢复出厂|支付|付款|转账")
_CHANGES_TEXT = re.compile(r"^\s*(?:delete|remove|destroy|shut ?down|reboot|restart|pay now)\b", re.IGNORECASE)


def ends_session(lead: Lead) -> bool:
    """By its address, its fields, or the words of its link or button, in English or Chinese."""
    words = _words_of(lead)
    return (
        any(word in _ENDS_SESSION for word in words)
        or any(pair in _ENDS_SESSION_IN_TWO for pair in pairwise(words))
        or bool(_ENDS_SESSION_ZH.search(lead.text) or _ENDS_SESSION_TEXT.search(lead.text))
        or bool(_ENDS_SESSION_ZH.search(_readable(lead)))
    )


def changes_things(lead: Lead) -> bool:
    """By the same marks: what it does cannot be taken back."""
    if lead.method == "DELETE":
        return True
    words = _words_of(lead)
    return (
        any(word in _CHANGES for word in words)
        or bool(_CHANGES_ZH.search(lead.text) or _CHANGES_TEXT.search(lead.text))
        or bool(_CHANGES_ZH.search(_readable(lead)))
    )


def _readable(lead: Lead) -> str:
    parts = urlsplit(lead.url)
    return unquote(f"{parts.path}?{parts.query}", errors="replace")


def _words_of(lead: Lead) -> list[str]:
    """The words of its last segments, its query and the fixed choices of its form; not those of pages above it."""
    parts = urlsplit(lead.url)
    last = [segment for segment in parts.path.split("/") if segment][-2:]
    said = " ".join([*last, parts.query])
    if lead.body and b"form-data" not in lead.body[:200]:
        said += " " + " ".join(
            re.findall(r"(?:^|&)(?:action|act|op|do|cmd|method|_method|submit)=([^&]*)", lead.body.decode("latin-1"))
        )
    return [word.lower() for word in _WORD_BREAKS.split(unquote(said, errors="replace")) if word]
