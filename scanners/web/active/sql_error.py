"""SQL injection that shows: a quote too many makes the database complain."""

import re

from scanners.web.points import Part, Point
from scanners.web.probing.check import PointCheck
from scanners.web.probing.complaint import complains
from scanners.web.probing.page import Page
from scanners.web.probing.trial import Probing, Trial
from scanners.web.probing.weakness import Verdict, WebClass
from secops.model.finding import Severity
from secops.model.text import Text

SQL_MEND = Text(
    "使用参数化查询或预编译语句;列名、排序等无法绑定的部分用白名单。",
    "Bind parameters; choose what cannot be bound, such as columns and sort orders, from an allow-list.",
)
COMPLAINTS = re.compile(
    r"""You\ have\ an\ error\ in\ your\ SQL\ syntax|MySQLSyntaxErrorException|com\.mysql\.(cj\.)?jdbc|MariaDB\ server\ version
    |PG::SyntaxError|PSQLException|unterminated\ quoted\ string\ at\ or\ near|syntax\ error\ at\ or\ near\ "
    |Unclosed\ quotation\ mark\ after|Incorrect\ syntax\ near|SqlException|\[SQL\ Server\]|ODBC\ SQL\ Server\ Driver
    |ORA-0(09\d\d|1756|1789|0933|1722)|quoted\ string\ not\ properly\ terminated|PLS-\d{5}
    |sqlite3?\.(Operational|Programming)Error|unrecognized\ token:|SQLITE_ERROR|SQLSTATE\[\w+\]|near\ "[^"]{0,40}":\ syntax\ error
    |DB2\ SQL\ error|SQLCODE=-\d+|Dynamic\ SQL\ Error|\[Informix\]|Sybase\ message|SQL\ command\ not\ properly\ ended
    |dm\.jdbc\.driver|达梦|\[KingbaseES|com\.kingbase8?|com\.oscar|神通|OceanBase|GaussDB|语法分析出错|语法错误.{0,20}(附近|处)
    |org\.hibernate\.(QueryException|hql)|DoctrineDBALException|Zend_Db_\w+_Exception|BadSqlGrammarException""",
    re.VERBOSE | re.IGNORECASE,
)


class SqlError(PointCheck):
    """Sends quotes; a control of letters must not make the database complain."""

    name = "sql-error"
    title = Text("SQL 注入(报错)", "SQL injection (by error)")
    weakness = WebClass.SQLI
    severity = Severity.CRITICAL
    cwe = 89
    clauses = ("8.1.4.4 d",)
    mend = SQL_MEND

    def fits(self, point: Point) -> bool:
        """File contents go into no query."""
        return point.part is not Part.FILE_NAME

    def probe(self, point: Point, page: Page, trial: Trial) -> Probing:
        """One request where nothing complains."""
        complaint = yield from complains(trial, point, COMPLAINTS, (f"{point.value}'\"(", f"{point.value}\"'"))
        if not complaint:
            return None
        return Verdict(
            Text(
                f"参数中加入引号后数据库报错“{complaint.words}”,换成字母则没有",
                f"with quotes in the field the database complains (“{complaint.words}”), with letters it does not",
            ),
            {"payload": complaint.payload, "response": complaint.excerpt},
            rule="error",
        )


SQL_ERROR = SqlError()
