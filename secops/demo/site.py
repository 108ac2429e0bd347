"""What the demo's centres hold: a small health portal, the files of two more systems, and what an intruder does to it.

All names, records and links are made up; the addresses below `.example` lead nowhere.
"""

import hashlib
import json
import zipfile
from pathlib import Path
from string import Template

from secops.demo.centre import LiveCentre

FIRST_RELEASE = "2026-11-01"
BUSINESS_PATH = "/appointments.html"
BUSINESS_MARK = "预约挂号服务可用"
"""What the business check wants to read on the page of appointments."""

INTRUDER_LINKS = (
    "http://lucky-dragon-casino.example/zh/?from=health",
    "http://bet-888-live.example/football",
    "http://fast-loan-today.example/apply",
)

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title - 智慧医疗服务平台</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header>
<h1>智慧医疗服务平台</h1>
<nav><a href="/index.html">首页</a> <a href="/appointments.html">预约挂号</a> <a href="/notices.html">通知公告</a></nav>
</header>
<main>
<h2>$title</h2>
$body
</main>
<footer>
<p>主办:市卫生计生委(演示数据,均为虚构)。相关链接:<a href="https://gov.example/">市政府门户</a>
<a href="https://insurance.example/">医保服务</a></p>
</footer>
</body>
</html>
""")

_STYLE = """\
body { font-family: "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; margin: 0; color: #222; background: #f4f7f9; }
header { background: #0b6e99; color: #fff; padding: 1rem 2rem; }
nav a { color: #fff; margin-right: 1.5rem; }
main, footer { max-width: 60rem; margin: 1rem auto; padding: 1rem 2rem; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #d5dde2; padding: .4rem; text-align: left; }
footer { font-size: .85rem; color: #667; }
"""

_HOSPITALS = ("津河医院", "海棠医院", "滨城儿童医院", "北辰康复医院", "静湖中医院", "和平社区卫生服务中心")
_DEPARTMENTS = ("内科", "外科", "儿科", "妇产科", "眼科", "口腔科", "中医科", "康复科")

_NOTICES = (
    ("2026-10-28", "电子健康卡已可在全市各级医院使用,就诊无需另办实体卡。"),
    ("2026-10-19", "流感疫苗接种预约开放,六十岁以上居民免费。"),
    ("2026-10-08", "检验检查结果互认医院增至一百二十家。"),
    ("2026-09-30", "国庆期间急诊照常,门诊排班见预约页面。"),
)

_INTRUDER_BLOCK = Template('<div style="position:absolute;left:-9999px;top:-9999px">$links</div>\n')


def write(centre: LiveCentre) -> None:
    """The content of a centre: the site everywhere; the data of other systems and what was left lying in production."""
    write_release(centre.releases / FIRST_RELEASE)
    centre.current.symlink_to(centre.releases / FIRST_RELEASE)
    if centre.production:
        _write_leftovers(centre.leftovers)
        _write_customs(centre.data / "port")
        _write_grid(centre.data / "grid")


def write_release(folder: Path) -> None:
    """One release of the portal."""
    folder.mkdir(parents=True)
    _write(folder / "index.html", _PAGE.substitute(title="首页", body=_welcome()))
    _write(folder / "appointments.html", _PAGE.substitute(title="预约挂号", body=_appointments()))
    _write(folder / "notices.html", _PAGE.substitute(title="通知公告", body=_notices()))
    _write(folder / "style.css", _STYLE)
    _write(folder / "schedule.json", json.dumps(_schedule(), ensure_ascii=False, indent=1) + "\n")
    _write(folder / "health.txt", "ok\n")


def tamper(centre: LiveCentre) -> Path:
    """What the intruder does: a block of links, out of sight for people, in the served home page. The changed file."""
    page = centre.current.resolve() / "index.html"
    links = " ".join(f'<a href="{link}">{link.split("/")[2].split(".")[0]}</a>' for link in INTRUDER_LINKS)
    text = page.read_text(encoding="utf-8")
    _write(page, text.replace("</main>", _INTRUDER_BLOCK.substitute(links=links) + "</main>", 1))
    return page


def _welcome() -> str:
    services = "".join(
        f"<li>{name}</li>" for name in ("预约挂号", "检验报告查询", "电子健康卡", "家庭医生签约", "疫苗接种预约")
    )
    latest = "".join(f"<li>{day} {text}</li>" for day, text in _NOTICES[:2])
    return f"<p>为全市居民提供统一的就医服务入口。</p>\n<ul>{services}</ul>\n<h3>最新通知</h3>\n<ul>{latest}</ul>"


def _appointments() -> str:
    rows = "\n".join(
        f"<tr><td>{slot['hospital']}</td><td>{slot['department']}</td><td>{slot['day']}</td><td>{slot['free']}</td></tr>"
        for slot in _schedule()[:24]
    )
    head = "<tr><th>医院</th><th>科室</th><th>日期</th><th>余号</th></tr>"
    return f"<p>{BUSINESS_MARK}。</p>\n<table>\n{head}\n{rows}\n</table>"


def _notices() -> str:
    return "<ul>\n" + "\n".join(f"<li>{day} {text}</li>" for day, text in _NOTICES) + "\n</ul>"


def _schedule() -> list[dict[str, str | int]]:
    return [
        {"hospital": hospital, "department": name, "day": f"2026-12-{day:02}", "free": _number(31, hospital, name, day)}
        for day in range(1, 8)
        for hospital in _HOSPITALS
        for name in _DEPARTMENTS
    ]


def _write_leftovers(folder: Path) -> None:
    """What is found on real web servers: settings with a password, and a backup in a folder that lists itself."""
    (folder / "backup").mkdir(parents=True)
    _write(folder / "env", "APP_ENV=production\nDB_HOST=10.20.0.15\nDB_USER=portal\nDB_PASSWORD=not-a-real-password\n")
    with zipfile.ZipFile(folder / "backup" / "portal-2026-09.zip", "w") as archive:
        archive.writestr("portal/config.ini", "[database]\nname = portal\npassword = not-a-real-password\n")
    _write(folder / "backup" / "readme.txt", "portal before the September release\n")


def _write_customs(folder: Path) -> None:
    """Declarations of the port system, one file a day."""
    folder.mkdir(parents=True)
    for day in range(1, 11):
        rows = [
            f"D{day:02}{n:04},货柜{_number(99999, 'box', day, n):05},{_number(30, 'tons', day, n) + 1}"
            for n in range(500)
        ]
        _write(folder / f"declarations-2026-11-{day:02}.csv", "declaration,container,tons\n" + "\n".join(rows) + "\n")


def _write_grid(folder: Path) -> None:
    """Load of the grid's substations, one folder each, a value every quarter of an hour."""
    for station in range(1, 7):
        place = folder / f"substation-{station:02}"
        place.mkdir(parents=True)
        rows = [f"{n // 4:02}:{n % 4 * 15:02},{_number(400, 'load', station, n) + 100}" for n in range(96)]
        _write(place / "load-2026-11-20.csv", "time,megawatt\n" + "\n".join(rows) + "\n")
        _write(place / "settings.json", json.dumps({"station": station, "limit_megawatt": 480}) + "\n")


def _number(below: int, *seed: object) -> int:
    """A number that looks random and is the same on every machine."""
    return int.from_bytes(hashlib.sha256(repr(seed).encode()).digest()[:4], "big") % below


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
