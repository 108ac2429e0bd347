"""A restored MariaDB is started on a socket: no network, no log, no events, nobody's login needed."""

from backup.apart import ask_apart, require_file, socket_of, start_apart, stop_apart
from backup.trial import Looked, Trial, TrialFailed
from secops.model.city import Asset, Product
from secops.model.step import Procedure
from secops.model.text import Text

_TOGETHER = 100
"""Tables that are checked by one statement."""
_TABLES = """\
SELECT CONCAT('`', REPLACE(table_schema, '`', '``'), '`.`', REPLACE(table_name, '`', '``'), '`')
FROM information_schema.tables
WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('information_schema', 'performance_schema')
ORDER BY 1"""
_GOOD = frozenset({"OK", "Table is already up to date"})


class MariadbTrial(Trial):
    """Every table is checked with CHECK TABLE. Owners of the folder become the user that the server runs as."""

    name = "mariadb"
    describes = Text("启动恢复出的 MariaDB 并检查", "starts a restored MariaDB and checks its tables")
    product = Product.MARIADB
    needs = ("sh", "mariadbd", "mariadb", "setpriv", "setsid")

    def start(self, source: Asset, host: str, folder: str) -> Procedure[float]:
        socket = socket_of(folder)
        yield from require_file(host, f"{folder}/backup-my.cnf")
        own = (f"--defaults-file={folder}/backup-my.cnf", f"--datadir={folder}", f"--socket={socket}")
        apart = ("--skip-networking", "--skip-grant-tables", "--skip-slave-start", "--skip-log-bin")
        quiet = ("--event-scheduler=OFF", "--performance-schema=OFF", f"--pid-file={folder}.trial/server.pid")
        program = ("mariadbd", *own, *apart, *quiet)
        ready = (*_client(folder), "-e", "SELECT 1")
        return (yield from start_apart(host, folder, program, ready, "mysql", "mariadb-server-core"))

    def ask(self, source: Asset, host: str, folder: str, name: str, question: str) -> Procedure[str]:
        return (yield from ask_apart(host, folder, name, (*_client(folder), "-e", question)))

    def inspect(self, source: Asset, host: str, folder: str) -> Procedure[Looked]:
        listed = yield from self.ask(source, host, folder, "list the tables", _TABLES)
        tables = listed.splitlines()
        for start in range(0, len(tables), _TOGETHER):
            statement = "CHECK TABLE " + ", ".join(tables[start : start + _TOGETHER])
            name = f"check tables {start + 1} and following"
            _refuse_damage((yield from ask_apart(host, folder, name, _client(folder), stdin=statement)))
        return Looked((Text(f"{len(tables)} 张表检查正常", f"{len(tables)} tables were checked and are well"),))

    def stop(self, source: Asset, host: str, folder: str) -> Procedure[None]:
        yield from stop_apart(host, folder)


trial = MariadbTrial()


def _client(folder: str) -> tuple[str, ...]:
    how = ("--user=root", "--batch", "--raw", "--skip-column-names", "--default-character-set=utf8mb4")
    return ("mariadb", "--no-defaults", f"--socket={folder}.trial/socket", *how)


def _refuse_damage(checked: str) -> None:
    """Rows are table, operation, kind and text; notes and warnings are none of damage unless the status says so."""
    for row in checked.splitlines():
        table, _, rest = row.partition("\t")
        _, _, said = rest.partition("\t")
        kind, _, text = said.partition("\t")
        if kind == "error" or (kind == "status" and text not in _GOOD):
            raise TrialFailed(f"表 {table} 已损坏:{text}", f"the table {table} is damaged: {text}")
