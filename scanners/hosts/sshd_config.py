"""Effective configuration of the ssh server."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from scanners.check import Baseline, Check
from scanners.endings import NotApplicable, Unreachable
from scanners.reach import Reach
from secops.model.city import Asset, AssetKind
from secops.model.finding import Severity, Weakness, WeaknessClass
from secops.model.text import Text

_PROGRAMS = (("sshd",), ("/usr/sbin/sshd",), ("sudo", "-n", "/usr/sbin/sshd"))
_NOT_FOUND = 127
_MAX_TRIES = 5
_MAX_IDLE_SECONDS = 900
_MAX_GRACE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Effective:
    """What `sshd -T` prints: names in lower case, lists joined by a comma."""

    command: str
    settings: dict[str, str]

    def number(self, name: str) -> int | None:
        """A setting as a number; None when it is absent or is none."""
        value = self.settings.get(name, "")
        return int(value) if value.isdecimal() and len(value) < 12 else None


class SshdConfig(Check[Effective]):
    """Asks the ssh server itself what it would do."""

    name = "sshd-config"
    title = Text("SSH 服务的有效配置", "effective configuration of the ssh server")
    describes = Text(
        "在主机上执行 sshd -T 读取有效配置(而非配置文件),依次尝试普通用户和免密 sudo;"
        "主机资产的 path 可指定非默认的 sshd_config。Match 段不在其内。",
        "Runs sshd -T on the host to read the effective configuration, not the file, as the login user and through "
        "sudo without password; the path of the host asset may name a configuration that is not the default one. "
        "Match blocks are not part of it.",
    )
    kinds = frozenset({AssetKind.HOST})
    observed_type = Effective

    async def observe(self, asset: Asset, reach: Reach) -> Effective:
        """The output of the first way that works."""
        chosen = ("-f", asset.path) if asset.path else ()
        complaints: list[str] = []
        for program in _PROGRAMS:
            argv = (*program, "-T", *chosen)
            result = await reach.shell(asset, argv)
            settings = _parsed(result.output) if result.ok else {}
            if settings:
                return Effective(" ".join(argv), settings)
            if result.exit_code != _NOT_FOUND:
                complaints.append((result.error_output or result.reason).strip()[-200:])
        if not complaints:
            raise NotApplicable(Text("主机上没有 sshd 程序", "there is no sshd program on the host"))
        why = next(filter(None, complaints), "no output")
        raise Unreachable(Text(f"无法读取有效配置:{why}", f"the effective configuration cannot be read: {why}"))

    def judge(
        self,
        asset: Asset,
        observed: Effective,
        baseline: Baseline[Effective] | None,
    ) -> Iterable[Weakness]:
        """One weakness per setting."""
        for rule in _RULES:
            yield from rule(observed)


def _parsed(output: str) -> dict[str, str]:
    settings: dict[str, str] = {}
    for line in output.splitlines():
        name, _, value = line.strip().partition(" ")
        if name:
            joined = f"{settings[name.lower()]},{value}" if name.lower() in settings else value
            settings[name.lower()] = joined.strip()
    return settings if "permitrootlogin" in settings else {}


def _weakness(
    observed: Effective, setting: str, severity: Severity, title: Text, reason: Text, wanted: str, clause: str
) -> Weakness:
    return Weakness(
        weakness_class=WeaknessClass.COMPLIANCE,
        rule=f"sshd-config.{setting}",
        locator=(setting,),
        severity=severity,
        title=title,
        reason=reason,
        mend=Text(
            f"在 sshd_config 中设置 {wanted} 并重新加载服务。", f"Set {wanted} in sshd_config and reload the service."
        ),
        evidence={setting: observed.settings.get(setting, "")[:400]},
        clauses=(clause,),
    )


def _root_login(observed: Effective) -> Iterable[Weakness]:
    value = observed.settings["permitrootlogin"]
    if value == "no":
        return
    with_password = value == "yes"
    yield _weakness(
        observed,
        "permitrootlogin",
        Severity.HIGH if with_password else Severity.LOW,
        Text("允许 root 直接登录", "root may log in directly"),
        Text(f"permitrootlogin 为 {value}。", f"permitrootlogin is {value}."),
        "PermitRootLogin no",
        "8.1.4.2 b",
    )


def _empty_passwords(observed: Effective) -> Iterable[Weakness]:
    if observed.settings.get("permitemptypasswords") == "yes":
        yield _weakness(
            observed,
            "permitemptypasswords",
            Severity.CRITICAL,
            Text("允许空口令登录", "empty passwords are accepted"),
            Text("permitemptypasswords 为 yes。", "permitemptypasswords is yes."),
            "PermitEmptyPasswords no",
            "8.1.4.1 a",
        )


def _password_alone(observed: Effective) -> Iterable[Weakness]:
    methods = observed.settings.get("authenticationmethods", "").split() or ["any"]
    two_factors = all("," in method for method in methods)
    if observed.settings.get("passwordauthentication") == "yes" and not two_factors:
        yield _weakness(
            observed,
            "passwordauthentication",
            Severity.MEDIUM,
            Text("仅凭口令即可登录", "a password alone is enough to log in"),
            Text(
                "passwordauthentication 为 yes,且 authenticationmethods 未要求两种鉴别。",
                "passwordauthentication is yes, and authenticationmethods does not ask for two factors.",
            ),
            "PasswordAuthentication no",
            "8.1.4.1 d",
        )


def _tries(observed: Effective) -> Iterable[Weakness]:
    tries = observed.number("maxauthtries")
    if tries is not None and tries > _MAX_TRIES:
        yield _weakness(
            observed,
            "maxauthtries",
            Severity.LOW,
            Text("登录失败次数限制过宽", "too many tries to log in"),
            Text(f"maxauthtries 为 {tries},应不超过 {_MAX_TRIES}。", f"maxauthtries is {tries}; at most {_MAX_TRIES}."),
            f"MaxAuthTries {_MAX_TRIES}",
            "8.1.4.1 b",
        )


def _idle(observed: Effective) -> Iterable[Weakness]:
    interval, count = observed.number("clientaliveinterval"), observed.number("clientalivecountmax")
    if interval is None or count is None or 0 < interval * count <= _MAX_IDLE_SECONDS:
        return
    yield _weakness(
        observed,
        "clientaliveinterval",
        Severity.LOW,
        Text("失去响应的会话不会及时断开", "dead sessions are not ended in time"),
        Text(
            f"clientaliveinterval {interval} × clientalivecountmax {count},应在 1 到 {_MAX_IDLE_SECONDS} 秒之间。",
            f"clientaliveinterval {interval} × clientalivecountmax {count}; it should be 1 to {_MAX_IDLE_SECONDS} s.",
        ),
        "ClientAliveInterval 300, ClientAliveCountMax 3",
        "8.1.4.1 b",
    )


def _grace(observed: Effective) -> Iterable[Weakness]:
    grace = observed.number("logingracetime")
    if grace is not None and not 0 < grace <= _MAX_GRACE_SECONDS:
        yield _weakness(
            observed,
            "logingracetime",
            Severity.LOW,
            Text("登录等待时间过长", "logging in may take too long"),
            Text(
                f"logingracetime 为 {grace} 秒,应在 1 到 {_MAX_GRACE_SECONDS} 秒之间。",
                f"logingracetime is {grace} s; it should be 1 to {_MAX_GRACE_SECONDS} s.",
            ),
            "LoginGraceTime 60",
            "8.1.4.1 b",
        )


def _forwarding(observed: Effective) -> Iterable[Weakness]:
    if observed.settings.get("x11forwarding") == "yes":
        yield _weakness(
            observed,
            "x11forwarding",
            Severity.LOW,
            Text("允许 X11 转发", "X11 forwarding is on"),
            Text("服务器通常不需要图形转发。", "A server has no need of forwarded windows."),
            "X11Forwarding no",
            "8.1.4.4 b",
        )


def _weak_cipher(name: str) -> bool:
    return name.endswith("-cbc") or name.startswith(("arcfour", "3des", "blowfish", "cast128", "rijndael"))


def _weak_mac(name: str) -> bool:
    return any(part in name for part in ("md5", "-96", "sha1", "umac-64", "ripemd"))


def _weak_exchange(name: str) -> bool:
    return "sha1" in name or name.startswith("diffie-hellman-group1-")


def _algorithms(observed: Effective) -> Iterable[Weakness]:
    for setting, written, weak, what in _ALGORITHMS:
        found = [name for name in observed.settings.get(setting, "").split(",") if name and weak(name)]
        if not found:
            continue
        names = ", ".join(found)
        # HMAC-SHA1 and umac-64 are OpenSSH's own defaults, and not known to be broken.
        broken = setting != "macs" or any("md5" in name or "-96" in name for name in found)
        yield _weakness(
            observed,
            setting,
            Severity.MEDIUM if broken else Severity.LOW,
            Text(f"SSH {what.zh}包含弱算法", f"the ssh {what.en} include weak ones"),
            Text(f"{setting} 中有 {names}。", f"{setting} has {names}."),
            f"{written} -{','.join(found)}",
            "8.1.4.1 c",
        )


_ALGORITHMS: tuple[tuple[str, str, Callable[[str], bool], Text], ...] = (
    ("ciphers", "Ciphers", _weak_cipher, Text("加密算法", "ciphers")),
    ("macs", "MACs", _weak_mac, Text("消息认证算法", "MACs")),
    ("kexalgorithms", "KexAlgorithms", _weak_exchange, Text("密钥交换算法", "key exchanges")),
)
_RULES = (_root_login, _empty_passwords, _password_alone, _tries, _idle, _grace, _forwarding, _algorithms)

SSHD_CONFIG = SshdConfig()
