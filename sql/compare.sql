-- A restored copy (`main`) held against the live database (`live`, attached), asked by `palaver drill`. Both are of one
-- lineage, so their numbers are the same. What was edited or deleted since the copy has a newer changed_seq, and is left out.

-- name: stand
-- How much ever happened in a file, which never falls within a lineage, and its last heartbeat (ms UTC; 0: none).
SELECT
    count(*) + COALESCE(sum(last_seq), 0),
    CAST(COALESCE((SELECT value FROM meta WHERE key = 'heartbeat'), 0) AS INTEGER)
FROM conversations

-- name: diverged
-- The copy has an opening that the live database has not, or the live one was put back since.
SELECT
    EXISTS (
        SELECT 1
        FROM main.generations AS copied
        WHERE NOT EXISTS (
            SELECT 1 FROM live.generations AS l WHERE l.number = copied.number AND l.epoch = copied.epoch
        )
    )
    OR EXISTS (
        SELECT 1
        FROM live.generations
        WHERE number > (SELECT max(number) FROM main.generations) AND kind <> 'start'
    )

-- name: ranges
-- The conversations of the copy in groups, so that no read of the live database lasts for long.
SELECT min(number), max(number), sum(last_seq - first_seq + 1)
FROM main.conversations
GROUP BY number / :conversations
ORDER BY 1

-- name: conversations
SELECT c.uuid, c.last_seq
FROM main.conversations AS c
LEFT JOIN live.conversations AS l ON l.number = c.number
WHERE c.number BETWEEN :low AND :high AND (l.uuid IS NOT c.uuid OR l.last_seq < c.last_seq)
LIMIT :limit

-- name: messages
SELECT c.uuid, m.seq
FROM main.conversations AS c
JOIN live.conversations AS lc ON lc.number = c.number
JOIN main.messages AS m ON m.conversation = c.number AND m.seq >= lc.first_seq
LEFT JOIN live.messages AS l ON l.conversation = m.conversation AND l.seq = m.seq
WHERE c.number BETWEEN :low AND :high
  AND (
    l.seq IS NULL
    OR (m.sender, m.client_message_id, m.fingerprint, m.generation, m.created_ms)
        IS NOT (l.sender, l.client_message_id, l.fingerprint, l.generation, l.created_ms)
    OR (
        l.changed_seq <= c.last_seq
        AND (m.changed_seq, m.role, m.content_type, m.content, m.attachments, m.reply_to, m.metadata, m.deleted_ms)
            IS NOT (l.changed_seq, l.role, l.content_type, l.content, l.attachments, l.reply_to, l.metadata, l.deleted_ms)
    )
  )
LIMIT :limit

-- name: changes
SELECT c.uuid, h.seq
FROM main.conversations AS c
JOIN live.conversations AS lc ON lc.number = c.number
JOIN main.changes AS h ON h.conversation = c.number AND h.seq >= lc.first_seq
LEFT JOIN live.changes AS l ON l.conversation = h.conversation AND l.seq = h.seq
WHERE c.number BETWEEN :low AND :high
  AND (h.kind, h.message_seq, h.actor, h.idempotency_key, h.fingerprint, h.generation, h.created_ms)
    IS NOT (l.kind, l.message_seq, l.actor, l.idempotency_key, l.fingerprint, l.generation, l.created_ms)
LIMIT :limit
