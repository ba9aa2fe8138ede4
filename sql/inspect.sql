-- What must be true of every database, asked by `palaver doctor` and never by a server. Each statement finds what is
-- wrong: the conversation, and a number that says more. They read whole tables, on purpose: they are proofs.

-- name: gaps
-- Dense: as many rows as there are seqs. Counting walks the index messages_key, which is narrower than the table.
WITH counted AS MATERIALIZED (
    SELECT
        uuid,
        last_seq - first_seq + 1
        - (SELECT count(*) FROM messages WHERE messages.conversation = conversations.number)
        - (SELECT count(*) FROM changes WHERE changes.conversation = conversations.number) AS missing
    FROM conversations
)
SELECT uuid, missing
FROM counted
WHERE missing <> 0
LIMIT :limit

-- name: shared_seqs
-- One event per seq: a row in one of the two tables.
SELECT conversations.uuid, changes.seq
FROM changes
JOIN messages ON messages.conversation = changes.conversation AND messages.seq = changes.seq
JOIN conversations ON conversations.number = changes.conversation
LIMIT :limit

-- name: stray_seqs
-- No row outside first_seq to last_seq: two probes of a primary key for each table and conversation.
SELECT uuid, last_seq
FROM conversations
WHERE EXISTS (SELECT 1 FROM messages WHERE conversation = number AND seq > last_seq)
   OR EXISTS (SELECT 1 FROM messages WHERE conversation = number AND seq < first_seq)
   OR EXISTS (SELECT 1 FROM changes WHERE conversation = number AND seq > last_seq)
   OR EXISTS (SELECT 1 FROM changes WHERE conversation = number AND seq < first_seq)
LIMIT :limit

-- name: unexplained_changes
-- A message that was changed names the event that changed it.
SELECT conversations.uuid, messages.seq
FROM messages
JOIN conversations ON conversations.number = messages.conversation
WHERE messages.changed_seq <> messages.seq
  AND NOT EXISTS (
    SELECT 1
    FROM changes
    WHERE changes.conversation = messages.conversation
      AND changes.seq = messages.changed_seq
      AND changes.message_seq = messages.seq
  )
LIMIT :limit

-- name: read_too_far
-- Nobody has read what is not there.
SELECT conversations.uuid, members.read_seq
FROM members
JOIN conversations ON conversations.number = members.conversation
WHERE members.read_seq > conversations.last_seq
LIMIT :limit

-- name: unexplained_titles
-- A conversation whose title or metadata were changed names the event that changed them, for as long as that is kept.
SELECT uuid, changed_seq
FROM conversations
WHERE changed_seq >= first_seq
  AND changed_seq > 0
  AND NOT EXISTS (SELECT 1 FROM changes WHERE conversation = number AND seq = changed_seq)
LIMIT :limit
