PRAGMA application_id = 0x4A444653;
PRAGMA user_version = 2;
CREATE TABLE findings (id TEXT PRIMARY KEY, document TEXT, something_new TEXT);
