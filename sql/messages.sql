-- name: add
-- The unique index decides whether this is a retry: no look before the leap.
INSERT INTO messages (
    conversation, seq, sender, client_message_id, fingerprint, role, content_type, content, attachments, reply_to,
    metadata, generation, changed_seq, created_ms
) VALUES (
    :conversation, :seq, :sender, :client_message_id, :fingerprint, :role, :content_type, :content, :attachments, :reply_to,
    :metadata, :generation, :seq, :created_ms
)
ON CONFLICT (conversation, sender, client_message_id) DO NOTHING

-- name: find_key
SELECT seq, fingerprint, generation, created_ms
FROM messages
WHERE conversation = :conversation AND sender = :sender AND client_message_id = :client_message_id

-- name: state
-- What an edit or a deletion must know of its message.
SELECT sender, changed_seq, deleted_ms, content_type, attachments, metadata, edited_ms
FROM messages
WHERE conversation = :conversation AND seq = :seq

-- name: edit
UPDATE messages
SET content = :content, content_type = :content_type, attachments = :attachments, metadata = :metadata,
    changed_seq = :changed_seq, edited_ms = :at_ms
WHERE conversation = :conversation AND seq = :seq

-- name: delete
-- Everything that was said goes; who said it, when and under which key stays, so that a retry never brings it back.
UPDATE messages
SET content = NULL, attachments = NULL, metadata = NULL, thinking = NULL, changed_seq = :changed_seq, deleted_ms = :at_ms
WHERE conversation = :conversation AND seq = :seq

-- name: before
SELECT
    m.seq, u.id, m.client_message_id, m.role, m.content_type, m.content, m.attachments, m.reply_to, m.metadata,
    m.created_ms, m.edited_ms, m.deleted_ms, m.changed_seq,
    COALESCE(
        (SELECT generation FROM changes WHERE conversation = m.conversation AND seq = m.changed_seq), m.generation
    ) AS changed_generation
FROM messages AS m
JOIN users AS u ON u.number = m.sender
WHERE m.conversation = :conversation AND m.seq < :before
ORDER BY m.seq DESC
LIMIT :limit

-- name: after
SELECT
    m.seq, u.id, m.client_message_id, m.role, m.content_type, m.content, m.attachments, m.reply_to, m.metadata,
    m.created_ms, m.edited_ms, m.deleted_ms, m.changed_seq,
    COALESCE(
        (SELECT generation FROM changes WHERE conversation = m.conversation AND seq = m.changed_seq), m.generation
    ) AS changed_generation
FROM messages AS m
JOIN users AS u ON u.number = m.sender
WHERE m.conversation = :conversation AND m.seq > :after
ORDER BY m.seq
LIMIT :limit

-- name: unread
SELECT count(*) FROM (
    SELECT 1 FROM messages
    WHERE conversation = :conversation AND seq > :read_seq AND sender <> :user AND deleted_ms IS NULL
    LIMIT :unread_max
)

-- name: today
-- What a message that may come back is today, by its permanent key.
SELECT seq, fingerprint, deleted_ms
FROM messages
WHERE conversation = :conversation AND sender = :sender AND client_message_id = :client_message_id

-- name: add_again
INSERT INTO messages (
    conversation, seq, sender, client_message_id, fingerprint, role, content_type, content, attachments, reply_to,
    thinking, input_tokens, output_tokens, metadata, status, generation, changed_seq, created_ms, edited_ms
) VALUES (
    :conversation, :seq, :sender, :client_message_id, :fingerprint, :role, :content_type, :content, :attachments, :reply_to,
    :thinking, :input_tokens, :output_tokens, :metadata, :status, :generation, :seq, :created_ms, :edited_ms
)

-- name: undelete
-- Its seq, sender, key, fingerprint and time stand in the tombstone.
UPDATE messages
SET content_type = :content_type, content = :content, attachments = :attachments, metadata = :metadata,
    thinking = :thinking, edited_ms = :edited_ms, deleted_ms = NULL, changed_seq = :changed_seq
WHERE conversation = :conversation AND seq = :seq
