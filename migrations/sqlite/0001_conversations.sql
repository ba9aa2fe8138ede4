-- The timeline, the people, the conversations and all that happened in them.
-- Times are integer milliseconds UTC. A user is stored once and named by a small integer: the two big indexes carry it.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for every opening of this file for writing, added before its first write.
CREATE TABLE generations (
    number      INTEGER PRIMARY KEY,
    epoch       TEXT    NOT NULL UNIQUE CHECK (epoch <> '' AND epoch <> '_'),
    kind        TEXT    NOT NULL CHECK (kind IN ('start', 'restore', 'swapped', 'unclean')),
    since_ms    INTEGER NOT NULL,
    cause       TEXT    NOT NULL,
    synchronous TEXT    NOT NULL CHECK (synchronous IN ('full', 'normal')),
    replays     TEXT    NOT NULL DEFAULT 'accept' CHECK (replays IN ('accept', 'refuse')),
    ended_ms    INTEGER
) STRICT;

CREATE TABLE users (
    number INTEGER PRIMARY KEY,
    id     TEXT NOT NULL UNIQUE
) STRICT;

-- creation_key is permanent, like the key of a message: a retry finds the first conversation for ever.
-- last_seq is the newest seq given, first_seq the oldest kept; changed_seq the newest event that changed title or metadata.
CREATE TABLE conversations (
    number               INTEGER PRIMARY KEY,
    uuid                 BLOB    NOT NULL UNIQUE CHECK (length(uuid) = 16),
    kind                 TEXT    NOT NULL,
    title                TEXT,
    metadata             TEXT,
    creator              INTEGER NOT NULL REFERENCES users,
    creation_key         ANY,
    creation_fingerprint BLOB,
    first_seq            INTEGER NOT NULL DEFAULT 1 CHECK (first_seq BETWEEN 1 AND last_seq + 1),
    last_seq             INTEGER NOT NULL DEFAULT 0 CHECK (last_seq >= 0),
    changed_seq          INTEGER NOT NULL DEFAULT 0 CHECK (changed_seq BETWEEN 0 AND last_seq),
    generation           INTEGER NOT NULL REFERENCES generations,
    created_ms           INTEGER NOT NULL,
    updated_ms           INTEGER NOT NULL,
    deleted_ms           INTEGER
) STRICT;

CREATE UNIQUE INDEX conversations_creation ON conversations (creator, creation_key) WHERE creation_key IS NOT NULL;

CREATE TABLE members (
    conversation INTEGER NOT NULL REFERENCES conversations,
    user         INTEGER NOT NULL REFERENCES users,
    role         TEXT    NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    read_seq     INTEGER NOT NULL DEFAULT 0 CHECK (read_seq >= 0),
    joined_ms    INTEGER NOT NULL,
    PRIMARY KEY (conversation, user)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_user ON members (user, conversation);

-- client_message_id is a BLOB of 16 bytes where the key is a UUID in its usual form, else the key as TEXT; a BLOB never equals a TEXT.
-- A rowid table on purpose: batches append to its end, which writes 20 % less WAL than rows clustered by conversation.
-- A deleted message keeps its seq, sender, key and fingerprint and loses all that was said.
-- changed_seq is the newest event that this row shows: its own seq at first, then that of each edit, then of the deletion.
CREATE TABLE messages (
    conversation      INTEGER NOT NULL REFERENCES conversations,
    seq               INTEGER NOT NULL CHECK (seq > 0),
    sender            INTEGER NOT NULL REFERENCES users,
    client_message_id ANY     NOT NULL,
    fingerprint       BLOB    NOT NULL,
    role              TEXT    NOT NULL CHECK (role IN ('user', 'assistant', 'system', 'tool')),
    content_type      TEXT    NOT NULL,
    content           TEXT,
    attachments       TEXT,
    reply_to          INTEGER,
    thinking          TEXT,
    input_tokens      INTEGER,
    output_tokens     INTEGER,
    metadata          TEXT,
    status            TEXT    NOT NULL DEFAULT 'complete',
    generation        INTEGER NOT NULL REFERENCES generations,
    changed_seq       INTEGER NOT NULL CHECK (changed_seq >= seq),
    created_ms        INTEGER NOT NULL,
    edited_ms         INTEGER,
    deleted_ms        INTEGER CHECK (deleted_ms IS NULL OR (content IS NULL AND attachments IS NULL AND metadata IS NULL)),
    PRIMARY KEY (conversation, seq)
) STRICT;

CREATE UNIQUE INDEX messages_key ON messages (conversation, sender, client_message_id);

-- What took a seq without being a message. The content of an edit stands in its message alone, so that nothing is left
-- behind when the message is edited again or deleted; payload holds what an event of another kind carries, as JSON.
CREATE TABLE changes (
    conversation    INTEGER NOT NULL REFERENCES conversations,
    seq             INTEGER NOT NULL CHECK (seq > 0),
    kind            TEXT    NOT NULL CHECK (kind IN (
        'message.edited', 'message.deleted', 'member.joined', 'member.changed', 'member.left',
        'conversation.updated', 'conversation.deleted'
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

CREATE UNIQUE INDEX changes_key ON changes (conversation, actor, idempotency_key) WHERE idempotency_key IS NOT NULL;
