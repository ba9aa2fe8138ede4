-- What is read from a copy of a database file. A copy may be of an earlier schema: nothing newer than the first is named.

-- name: conversation
SELECT c.number, c.kind, c.title, c.metadata, u.id AS creator, c.creation_key, c.creation_fingerprint, c.created_ms
FROM conversations AS c
JOIN users AS u ON u.number = c.creator
WHERE c.uuid = :uuid AND c.deleted_ms IS NULL

-- name: members
SELECT u.id, m.role, m.joined_ms
FROM members AS m
JOIN users AS u ON u.number = m.user
WHERE m.conversation = :conversation
ORDER BY m.joined_ms, m.user

-- name: departures
SELECT h.seq, (SELECT epoch FROM generations WHERE number = h.generation) AS epoch
FROM changes AS h
WHERE h.conversation = :conversation AND h.kind = 'member.left'

-- name: messages
-- By the primary key; what a message replies to is found by it, too.
SELECT
    m.seq, u.id AS sender, m.client_message_id, m.fingerprint, m.role, m.content_type, m.content, m.attachments,
    m.metadata, m.thinking, m.input_tokens, m.output_tokens, m.status, m.created_ms, m.edited_ms,
    (SELECT id FROM users WHERE number = r.sender) AS reply_to_sender, r.client_message_id AS reply_to_key
FROM messages AS m
JOIN users AS u ON u.number = m.sender
LEFT JOIN messages AS r ON r.conversation = m.conversation AND r.seq = m.reply_to
WHERE m.conversation = :conversation AND m.seq > :after AND m.deleted_ms IS NULL
ORDER BY m.seq
LIMIT :limit

-- name: missing
-- How many messages of a copy, attached as `copy`, are missing or deleted in the file of today, and how many stand there
-- at all; keys are permanent.
SELECT
    count(*) FILTER (WHERE today.seq IS NULL) AS missing,
    count(*) FILTER (WHERE today.deleted_ms IS NOT NULL) AS deleted,
    count(*) FILTER (WHERE today.seq IS NOT NULL AND today.deleted_ms IS NULL) AS kept,
    (
        SELECT count(*)
        FROM main.messages
        WHERE conversation = (SELECT number FROM main.conversations WHERE uuid = :uuid) AND deleted_ms IS NULL
    ) AS standing
FROM copy.conversations AS c
JOIN copy.messages AS m ON m.conversation = c.number AND m.deleted_ms IS NULL
JOIN copy.users AS u ON u.number = m.sender
LEFT JOIN main.messages AS today
    ON today.conversation = (SELECT number FROM main.conversations WHERE uuid = :uuid)
    AND today.sender = (SELECT number FROM main.users WHERE id = u.id)
    AND today.client_message_id = m.client_message_id
WHERE c.uuid = :uuid
