// SPDX-License-Identifier: Apache-2.0

import GRDB

/// The tables, drawn in docs/operations.md.
enum RetrySchema {
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { try $0.execute(sql: version1) }
        migrator.registerMigration("2") { try $0.execute(sql: version2) }
        return migrator
    }

    /// The trace in which the task was added, as `traceparent`; a version without it leaves it alone.
    private static let version2 = "ALTER TABLE task ADD COLUMN trace TEXT"

    /// Times are nanoseconds since 1970. The tally is kept by triggers, so that telling how much there is costs nothing.
    private static let version1 = """
        CREATE TABLE task (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL,
            scope TEXT NOT NULL,
            name TEXT NOT NULL,
            destination TEXT NOT NULL,
            payload TEXT NOT NULL,
            revision INTEGER NOT NULL DEFAULT 0,
            state TEXT NOT NULL CHECK (state IN ('pending', 'failed', 'dead')),
            created_at_ns INTEGER NOT NULL,
            due_at_ns INTEGER NOT NULL,
            failure_count INTEGER NOT NULL DEFAULT 0,
            last_attempt_at_ns INTEGER,
            last_error TEXT,
            UNIQUE (kind, scope, name)
        );
        CREATE INDEX task_due ON task (kind, destination, state, due_at_ns);
        CREATE INDEX task_age ON task (kind, destination, created_at_ns);
        CREATE INDEX task_name ON task (kind, name);
        CREATE TABLE tally (
            kind TEXT NOT NULL,
            destination TEXT NOT NULL,
            state TEXT NOT NULL,
            count INTEGER NOT NULL,
            PRIMARY KEY (kind, destination, state)
        ) WITHOUT ROWID;
        CREATE TRIGGER tally_insert AFTER INSERT ON task BEGIN
            INSERT INTO tally VALUES (new.kind, new.destination, new.state, 1)
                ON CONFLICT DO UPDATE SET count = count + 1;
        END;
        CREATE TRIGGER tally_delete AFTER DELETE ON task BEGIN
            UPDATE tally SET count = count - 1
                WHERE kind = old.kind AND destination = old.destination AND state = old.state;
            DELETE FROM tally WHERE count = 0;
        END;
        CREATE TRIGGER tally_update AFTER UPDATE OF destination, state ON task
            WHEN old.destination <> new.destination OR old.state <> new.state BEGIN
            UPDATE tally SET count = count - 1
                WHERE kind = old.kind AND destination = old.destination AND state = old.state;
            INSERT INTO tally VALUES (new.kind, new.destination, new.state, 1)
                ON CONFLICT DO UPDATE SET count = count + 1;
            DELETE FROM tally WHERE count = 0;
        END;
        """
}
