-- name: entry
-- What the ledger says of one event: by the primary keys of four tables.
SELECT
    c.uuid, h.seq, g.epoch, h.kind, h.message_seq,
    (SELECT epoch FROM generations WHERE number = m.generation) AS message_epoch,
    h.payload ->> 'user' AS user, a.id AS actor, h.created_ms
FROM conversations AS c
JOIN changes AS h ON h.conversation = c.number AND h.seq = :seq
JOIN generations AS g ON g.number = h.generation
JOIN users AS a ON a.number = h.actor
LEFT JOIN messages AS m ON m.conversation = h.conversation AND m.seq = h.message_seq
WHERE c.uuid = :uuid

-- name: since
-- What should be in the ledger of the generations from one on. It walks all changes, 60 ms for a million of them, once at
-- each start: an index would be paid for by every edit.
SELECT
    c.uuid, h.seq, g.epoch, h.kind, h.message_seq,
    (SELECT epoch FROM generations WHERE number = m.generation) AS message_epoch,
    h.payload ->> 'user' AS user, a.id AS actor, h.created_ms
FROM changes AS h
JOIN conversations AS c ON c.number = h.conversation
JOIN generations AS g ON g.number = h.generation
JOIN users AS a ON a.number = h.actor
LEFT JOIN messages AS m ON m.conversation = h.conversation AND m.seq = h.message_seq
WHERE h.generation >= :generation
  AND h.kind IN ('message.deleted', 'message.restored', 'member.joined', 'member.left')
ORDER BY h.conversation, h.seq

-- name: row_epoch
-- The epoch of whatever stands at a seq of a conversation.
SELECT (SELECT epoch FROM generations WHERE number = found.generation) AS epoch
FROM (
    SELECT generation FROM messages
    WHERE conversation = (SELECT number FROM conversations WHERE uuid = :uuid) AND seq = :seq
    UNION ALL
    SELECT generation FROM changes
    WHERE conversation = (SELECT number FROM conversations WHERE uuid = :uuid) AND seq = :seq
) AS found
