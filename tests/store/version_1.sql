PRAGMA application_id = 1245988435;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE baselines (
    number INTEGER PRIMARY KEY, asset TEXT NOT NULL, check_name TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES contents, approved_by TEXT NOT NULL, at TEXT NOT NULL
);
INSERT INTO "baselines" VALUES(1,'page','page-tamper','230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5','wang','2026-03-01T08:07:00.000000Z');
CREATE TABLE contents (
    sha256 TEXT PRIMARY KEY, body BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO "contents" VALUES('230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5',X'626F6479');
INSERT INTO "contents" VALUES('3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3',X'74776F');
INSERT INTO "contents" VALUES('7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed',X'6F6E65');
CREATE TABLE coverage (
    scan TEXT NOT NULL, asset TEXT NOT NULL, check_name TEXT NOT NULL, system TEXT NOT NULL, outcome TEXT NOT NULL,
    reason_zh TEXT NOT NULL, reason_en TEXT NOT NULL, at TEXT NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (scan, asset, check_name)
) WITHOUT ROWID;
INSERT INTO "coverage" VALUES('s1','far','open-ports','portal','unreachable','结果 unreachable','ended unreachable','2026-03-01T08:00:00.000000Z',0.1);
INSERT INTO "coverage" VALUES('s1','hostile','http-headers','智慧医疗','found','结果 found','ended found','2026-03-01T08:00:00.000000Z',0.1);
INSERT INTO "coverage" VALUES('s1','site','http-headers','portal','found','结果 found','ended found','2026-03-01T08:00:00.000000Z',0.1);
INSERT INTO "coverage" VALUES('s2','site','http-headers','portal','found','结果 found','ended found','2026-03-01T08:05:00.000000Z',0.1);
CREATE TABLE events (
    number INTEGER PRIMARY KEY, finding TEXT NOT NULL REFERENCES findings, revision INTEGER NOT NULL, at TEXT NOT NULL,
    actor TEXT NOT NULL, change TEXT NOT NULL, reason_zh TEXT NOT NULL, reason_en TEXT NOT NULL
);
INSERT INTO "events" VALUES(1,'1-qqh3enmj236py2zcc4s5z46cyxnf72hs',1,'2026-03-01T08:00:00.000000Z','scan:s1','seen','响应里没有:missing','not in the answer: missing');
INSERT INTO "events" VALUES(2,'1-real2omsqbfzxijhmlwqavbj4de2vlgs',1,'2026-03-01T08:00:00.000000Z','scan:s1','seen','响应里没有:弱口令','not in the answer: 弱口令');
INSERT INTO "events" VALUES(3,'1-nfgqs5selarhqjpa5zhvivwrc25iog3m',1,'2026-03-01T08:00:00.000000Z','scan:s1','seen','响应里没有:missing','not in the answer: missing');
INSERT INTO "events" VALUES(4,'1-r7nqmtph3gdvoncfuoz3vpfcxihph2j2',1,'2026-03-01T08:00:00.000000Z','scan:s1','seen','响应里没有:half ? a pair ','not in the answer: half ? a pair ');
INSERT INTO "events" VALUES(5,'1-real2omsqbfzxijhmlwqavbj4de2vlgs',2,'2026-03-01T08:05:00.000000Z','scan:s2','severity: critical → high','响应里没有:弱口令','not in the answer: 弱口令');
INSERT INTO "events" VALUES(6,'1-nfgqs5selarhqjpa5zhvivwrc25iog3m',2,'2026-03-01T08:05:00.000000Z','scan:s2','resolved','结果 found','ended found');
INSERT INTO "events" VALUES(7,'1-qqh3enmj236py2zcc4s5z46cyxnf72hs',2,'2026-03-01T08:07:00.000000Z','li','state: new → triaged','看过了','看过了');
CREATE TABLE findings (
    id TEXT PRIMARY KEY, severity INTEGER NOT NULL, first_seen TEXT NOT NULL, state TEXT NOT NULL,
    open INTEGER NOT NULL, system TEXT NOT NULL, asset TEXT NOT NULL, check_name TEXT NOT NULL, document TEXT NOT NULL
);
INSERT INTO "findings" VALUES('1-qqh3enmj236py2zcc4s5z46cyxnf72hs',2,'2026-03-01T08:00:00.000000Z','triaged',1,'portal','site','http-headers','{"id":"1-qqh3enmj236py2zcc4s5z46cyxnf72hs","system":"portal","asset":"site","check":"http-headers","weakness":{"weakness_class":"web","rule":"http-headers.csp-missing","locator":["GET","/"],"severity":"medium","title":{"zh":"缺少策略 missing","en":"No policy, missing"},"reason":{"zh":"响应里没有:missing","en":"not in the answer: missing"},"mend":{"zh":"加上","en":"add it"},"evidence":{"header":"missing"},"clauses":["8.1.4.8 a"]},"state":"triaged","first_seen":"2026-03-01T08:00:00+00:00","last_seen":"2026-03-01T08:05:00+00:00","last_evaluated":"2026-03-01T08:05:00+00:00","state_since":"2026-03-01T08:07:00+00:00","times_seen":2,"regressions":0,"revision":2}');
INSERT INTO "findings" VALUES('1-real2omsqbfzxijhmlwqavbj4de2vlgs',3,'2026-03-01T08:00:00.000000Z','new',1,'portal','site','http-headers','{"id":"1-real2omsqbfzxijhmlwqavbj4de2vlgs","system":"portal","asset":"site","check":"http-headers","weakness":{"weakness_class":"web","rule":"http-headers.csp-missing","locator":["GET","/b"],"severity":"high","title":{"zh":"缺少策略 弱口令","en":"No policy, 弱口令"},"reason":{"zh":"响应里没有:弱口令","en":"not in the answer: 弱口令"},"mend":{"zh":"加上","en":"add it"},"evidence":{"header":"弱口令"},"clauses":["8.1.4.8 a"]},"state":"new","first_seen":"2026-03-01T08:00:00+00:00","last_seen":"2026-03-01T08:05:00+00:00","last_evaluated":"2026-03-01T08:05:00+00:00","state_since":"2026-03-01T08:00:00+00:00","times_seen":2,"regressions":0,"revision":2}');
INSERT INTO "findings" VALUES('1-nfgqs5selarhqjpa5zhvivwrc25iog3m',2,'2026-03-01T08:00:00.000000Z','resolved',0,'portal','site','http-headers','{"id":"1-nfgqs5selarhqjpa5zhvivwrc25iog3m","system":"portal","asset":"site","check":"http-headers","weakness":{"weakness_class":"web","rule":"http-headers.csp-missing","locator":["GET","/gone"],"severity":"medium","title":{"zh":"缺少策略 missing","en":"No policy, missing"},"reason":{"zh":"响应里没有:missing","en":"not in the answer: missing"},"mend":{"zh":"加上","en":"add it"},"evidence":{"header":"missing"},"clauses":["8.1.4.8 a"]},"state":"resolved","first_seen":"2026-03-01T08:00:00+00:00","last_seen":"2026-03-01T08:00:00+00:00","last_evaluated":"2026-03-01T08:05:00+00:00","state_since":"2026-03-01T08:05:00+00:00","times_seen":1,"regressions":0,"revision":2}');
INSERT INTO "findings" VALUES('1-r7nqmtph3gdvoncfuoz3vpfcxihph2j2',2,'2026-03-01T08:00:00.000000Z','new',1,'智慧医疗','hostile','http-headers','{"id":"1-r7nqmtph3gdvoncfuoz3vpfcxihph2j2","system":"智慧医疗","asset":"hostile","check":"http-headers","weakness":{"weakness_class":"web","rule":"http-headers.csp-missing","locator":["GET","/"],"severity":"medium","title":{"zh":"缺少策略 half ? a pair \u0000","en":"No policy, half ? a pair \u0000"},"reason":{"zh":"响应里没有:half ? a pair \u0000","en":"not in the answer: half ? a pair \u0000"},"mend":{"zh":"加上","en":"add it"},"evidence":{"header":"half ? a pair \u0000"},"clauses":["8.1.4.8 a"]},"state":"new","first_seen":"2026-03-01T08:00:00+00:00","last_seen":"2026-03-01T08:00:00+00:00","last_evaluated":"2026-03-01T08:00:00+00:00","state_since":"2026-03-01T08:00:00+00:00","times_seen":1,"regressions":0,"revision":1}');
CREATE TABLE observations (
    scan TEXT NOT NULL, asset TEXT NOT NULL, check_name TEXT NOT NULL, at TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES contents, size_bytes INTEGER NOT NULL,
    PRIMARY KEY (scan, asset, check_name)
) WITHOUT ROWID;
INSERT INTO "observations" VALUES('s1','site','http-headers','2026-03-01T08:00:00.000000Z','7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed',3);
INSERT INTO "observations" VALUES('s2','site','http-headers','2026-03-01T08:05:00.000000Z','3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3',3);
CREATE TABLE places (
    asset TEXT NOT NULL, check_name TEXT NOT NULL,
    newest_scan TEXT NOT NULL, newest_at TEXT NOT NULL, last_successful TEXT,
    PRIMARY KEY (asset, check_name)
) WITHOUT ROWID;
INSERT INTO "places" VALUES('far','open-ports','s1','2026-03-01T08:00:00.000000Z',NULL);
INSERT INTO "places" VALUES('hostile','http-headers','s1','2026-03-01T08:00:00.000000Z','2026-03-01T08:00:00.000000Z');
INSERT INTO "places" VALUES('site','http-headers','s2','2026-03-01T08:05:00.000000Z','2026-03-01T08:05:00.000000Z');
CREATE INDEX observations_by_place ON observations (asset, check_name, at);
CREATE INDEX findings_by_rank ON findings (severity, first_seen, id);
CREATE INDEX findings_by_place ON findings (asset, check_name, open);
CREATE INDEX events_by_finding ON events (finding, number);
CREATE INDEX baselines_by_place ON baselines (asset, check_name, number)
;
COMMIT;
