-- What comes back after a restore: events that bring back what was deleted, and what a restore says of the ledger.

-- Under `skip` what the ledger holds is not applied again: the operator wants back what was removed since.
ALTER TABLE generations ADD COLUMN ledger TEXT NOT NULL DEFAULT 'apply' CHECK (ledger IN ('apply', 'skip'));

-- A CHECK cannot be changed in place, so the table is written anew with two more kinds.
CREATE TABLE changes_of_more_kinds (
    conversation    INTEGER NOT NULL REFERENCES conversations,
    seq             INTEGER NOT NULL CHECK (seq > 0),
    kind            TEXT    NOT NULL CHECK (kind IN (
        'message.edited', 'message.deleted', 'message.restored', 'member.joined', 'member.changed', 'member.left',
        'conversation.updated', 'conversation.deleted', 'conversation.restored'
    )),
    message_seq     INTEGER CHECK (message_seq < seq),
    actor           INTEGER NOT NULL REFERENCES users,
    idempotency_key ANY,
    fingerprint     BLOB,
    payload         TEXT,
    generation      INTEGER NOT NULL REFERENCES generations,
    created_ms      INTEGER NOT NULL,
    PRIMARY KEY (conversation, seq)
) STRICT, WITHOUT ROWID;

INSERT INTO changes_of_more_kinds SELECT * FROM changes;

DROP TABLE changes;

ALTER TABLE changes_of_more_kinds RENAME TO changes;

CREATE UNIQUE INDEX changes_key ON changes (conversation, actor, idempotency_key) WHERE idempotency_key IS NOT NULL;
