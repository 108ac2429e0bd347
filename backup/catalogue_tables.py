"""The tables of the catalogue, and how a file of an older version becomes one of this."""

import sqlite3

VERSION = 2
MANIFESTS = "CREATE TABLE manifest (digest TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT"
_POINTS = """
CREATE TABLE point (
    id TEXT PRIMARY KEY, asset TEXT NOT NULL, vault TEXT NOT NULL, engine TEXT NOT NULL, archive TEXT NOT NULL,
    taken TEXT NOT NULL, manifest TEXT NOT NULL REFERENCES manifest (digest), size_bytes INTEGER NOT NULL,
    unit TEXT NOT NULL DEFAULT '', copied_from TEXT NOT NULL DEFAULT '', added_bytes INTEGER NOT NULL DEFAULT 0,
    packed_bytes INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0,
    gone TEXT, newest_verdict INTEGER
) STRICT;
CREATE TABLE verdict (
    number INTEGER PRIMARY KEY, point TEXT NOT NULL REFERENCES point (id),
    readable TEXT NOT NULL, restorable TEXT NOT NULL, clean TEXT NOT NULL,
    because_zh TEXT NOT NULL, because_en TEXT NOT NULL, judged TEXT,
    rung INTEGER NOT NULL DEFAULT 0, failed INTEGER NOT NULL DEFAULT 0, proven TEXT,
    rules TEXT NOT NULL DEFAULT '', rules_date TEXT,
    seconds REAL NOT NULL DEFAULT 0, read_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX verdict_of_point ON verdict (point, number)
"""
_COLUMNS_OF_2 = """
ALTER TABLE point ADD COLUMN unit TEXT NOT NULL DEFAULT '';
ALTER TABLE point ADD COLUMN copied_from TEXT NOT NULL DEFAULT '';
ALTER TABLE point ADD COLUMN added_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE point ADD COLUMN packed_bytes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE point ADD COLUMN seconds REAL NOT NULL DEFAULT 0;
ALTER TABLE point ADD COLUMN gone TEXT;
ALTER TABLE point ADD COLUMN newest_verdict INTEGER;
ALTER TABLE verdict ADD COLUMN rung INTEGER NOT NULL DEFAULT 0;
ALTER TABLE verdict ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE verdict ADD COLUMN proven TEXT;
ALTER TABLE verdict ADD COLUMN rules TEXT NOT NULL DEFAULT '';
ALTER TABLE verdict ADD COLUMN rules_date TEXT;
ALTER TABLE verdict ADD COLUMN seconds REAL NOT NULL DEFAULT 0;
ALTER TABLE verdict ADD COLUMN read_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE point SET newest_verdict = (SELECT max(number) FROM verdict WHERE verdict.point = point.id);
UPDATE verdict SET proven = judged, rung = CASE
    WHEN clean = 'yes' THEN 4 WHEN restorable = 'yes' THEN 3 WHEN readable = 'yes' THEN 2 ELSE 0 END;
UPDATE verdict SET failed = CASE
    WHEN clean = 'no' THEN 4 WHEN restorable = 'no' THEN 3 WHEN readable = 'no' THEN 2 ELSE 0 END;
DROP INDEX point_of_asset
"""
_NEW_IN_2 = """
CREATE INDEX point_by_time ON point (taken, id) WHERE gone IS NULL;
CREATE INDEX point_of_asset ON point (asset, taken, id) WHERE gone IS NULL;
CREATE INDEX point_of_vault ON point (vault, taken, id) WHERE gone IS NULL;
CREATE INDEX point_of_unit ON point (unit, taken, id) WHERE gone IS NULL;
CREATE TABLE look (
    asset TEXT NOT NULL, vault TEXT NOT NULL, looked TEXT NOT NULL, archives TEXT NOT NULL,
    identity TEXT NOT NULL, size_bytes INTEGER NOT NULL, former TEXT NOT NULL, changed TEXT, PRIMARY KEY (asset, vault)
) STRICT;
CREATE TABLE log (
    asset TEXT NOT NULL, vault TEXT NOT NULL, until TEXT NOT NULL, PRIMARY KEY (asset, vault)
) STRICT
"""


def bring_up_to_date(connection: sqlite3.Connection, version: int) -> None:
    """Make the tables in a new file, or alter those of version 1; within the transaction that is open."""
    if version == 0:
        _perform(connection, f"{MANIFESTS};{_POINTS};{_NEW_IN_2}")
    elif version == 1:
        _perform(connection, f"{_COLUMNS_OF_2};{_NEW_IN_2}")
    if version < VERSION:
        connection.execute(f"PRAGMA user_version = {VERSION}")


def _perform(connection: sqlite3.Connection, statements: str) -> None:
    """Not `executescript`, which would end the transaction."""
    for statement in statements.split(";"):
        connection.execute(statement)
