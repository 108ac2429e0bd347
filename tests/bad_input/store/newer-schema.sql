PRAGMA application_id = 0x4A444653;
PRAGMA user_version = 1000;
CREATE TABLE findings (id TEXT PRIMARY KEY, document TEXT, something_new TEXT);
