-- name: find
-- By the unique index on uuid.
SELECT number, last_seq, first_seq, changed_seq, updated_ms, generation, deleted_ms
FROM conversations
WHERE uuid = :uuid

-- name: find_creation
-- By the partial unique index (creator, creation_key).
SELECT uuid, creation_fingerprint
FROM conversations
WHERE creator = :creator AND creation_key = :creation_key

-- name: add
INSERT INTO conversations (
    uuid, kind, title, metadata, creator, creation_key, creation_fingerprint, generation, created_ms, updated_ms
) VALUES (
    :uuid, :kind, :title, :metadata, :creator, :creation_key, :creation_fingerprint, :generation, :at_ms, :at_ms
)

-- name: advance
-- Once per batch for all conversations that it touched; places is a JSON array of [number, last_seq, changed_seq, updated_ms].
UPDATE conversations
SET last_seq = place.value ->> 1, changed_seq = place.value ->> 2, updated_ms = place.value ->> 3
FROM json_each(:places) AS place
WHERE conversations.number = place.value ->> 0

-- name: set_title
UPDATE conversations SET title = :title WHERE number = :number

-- name: set_metadata
UPDATE conversations SET metadata = :metadata WHERE number = :number

-- name: hide
UPDATE conversations SET deleted_ms = :at_ms WHERE number = :number

-- name: show
UPDATE conversations SET deleted_ms = NULL WHERE number = :number

-- name: add_again
INSERT INTO conversations (
    uuid, kind, title, metadata, creator, creation_key, creation_fingerprint, generation, created_ms, updated_ms
) VALUES (
    :uuid, :kind, :title, :metadata, :creator, :creation_key, :creation_fingerprint, :generation, :created_ms, :at_ms
)

-- name: departures
-- The rows in which somebody left, by the primary key of changes; see write_revivals.py.
SELECT h.seq, (SELECT epoch FROM generations WHERE number = h.generation) AS epoch, h.payload ->> 'user' AS user
FROM changes AS h
WHERE h.conversation = :conversation AND h.kind = 'member.left'

-- name: generation_at
-- The generation of whatever stands at a seq, message or change: two look-ups by key, at most one of which finds a row.
SELECT generation FROM messages WHERE conversation = :conversation AND seq = :seq
UNION ALL
SELECT generation FROM changes WHERE conversation = :conversation AND seq = :seq

-- name: footing
-- Membership and position in one statement: no row for a conversation that is not there, is hidden, or is not the user's.
SELECT
    c.number,
    m.role,
    m.read_seq,
    c.first_seq,
    c.last_seq,
    COALESCE(
        (SELECT generation FROM messages WHERE conversation = c.number AND seq = :anchor),
        (SELECT generation FROM changes WHERE conversation = c.number AND seq = :anchor)
    ) AS anchor_generation,
    COALESCE(
        (SELECT generation FROM messages WHERE conversation = c.number AND seq = c.last_seq),
        (SELECT generation FROM changes WHERE conversation = c.number AND seq = c.last_seq)
    ) AS top_generation
FROM conversations AS c
JOIN users AS u ON u.id = :user
JOIN members AS m ON m.conversation = c.number AND m.user = u.number
WHERE c.uuid = :uuid AND c.deleted_ms IS NULL

-- name: view
SELECT
    c.number, c.uuid, c.kind, c.title, c.metadata, c.created_ms, c.updated_ms, c.first_seq, c.last_seq, c.changed_seq,
    COALESCE(
        (SELECT generation FROM changes WHERE conversation = c.number AND seq = c.changed_seq), c.generation
    ) AS changed_generation,
    m.role, m.read_seq,
    (
        SELECT count(*) FROM (
            SELECT 1 FROM messages
            WHERE conversation = c.number AND seq > m.read_seq AND sender <> m.user AND deleted_ms IS NULL
            LIMIT :unread_max
        )
    ) AS unread_count
FROM conversations AS c
JOIN users AS u ON u.id = :user
JOIN members AS m ON m.conversation = c.number AND m.user = u.number
WHERE c.uuid = :uuid AND c.deleted_ms IS NULL
