-- name: add
INSERT INTO changes (
    conversation, seq, kind, message_seq, actor, idempotency_key, fingerprint, payload, generation, created_ms
) VALUES (
    :conversation, :seq, :kind, :message_seq, :actor, :idempotency_key, :fingerprint, :payload, :generation, :created_ms
)

-- name: find_key
-- By the partial unique index (conversation, actor, idempotency_key).
SELECT seq, fingerprint, message_seq, generation
FROM changes
WHERE conversation = :conversation AND actor = :actor AND idempotency_key = :idempotency_key

-- name: find
SELECT message_seq, generation
FROM changes
WHERE conversation = :conversation AND seq = :seq

-- name: after
-- The content of an edit stands in its message alone: who recovers sees the message of today.
SELECT
    h.seq, h.kind, h.message_seq, a.id AS actor, h.payload, h.generation, h.created_ms,
    m.content_type, m.content, m.attachments, m.metadata, m.edited_ms, m.deleted_ms, m.changed_seq,
    COALESCE(
        (SELECT generation FROM changes WHERE conversation = m.conversation AND seq = m.changed_seq), m.generation
    ) AS changed_generation
FROM changes AS h
JOIN users AS a ON a.number = h.actor
LEFT JOIN messages AS m ON m.conversation = h.conversation AND m.seq = h.message_seq
WHERE h.conversation = :conversation AND h.seq > :after
ORDER BY h.seq
LIMIT :limit
