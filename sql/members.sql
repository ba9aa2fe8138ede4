-- name: find
SELECT role, read_seq FROM members WHERE conversation = :conversation AND user = :user

-- name: count
SELECT count(*) FROM members WHERE conversation = :conversation

-- name: add
INSERT INTO members (conversation, user, role, joined_ms) VALUES (:conversation, :user, :role, :joined_ms)

-- name: set_role
UPDATE members SET role = :role WHERE conversation = :conversation AND user = :user

-- name: remove
DELETE FROM members WHERE conversation = :conversation AND user = :user

-- name: mark_read
UPDATE members SET read_seq = :read_seq WHERE conversation = :conversation AND user = :user AND read_seq < :read_seq

-- name: heir
-- Who inherits a conversation whose owner leaves: the admin, else the member, who has been there longest.
SELECT user
FROM members
WHERE conversation = :conversation AND user <> :leaver
ORDER BY role = 'admin' DESC, joined_ms, user
LIMIT 1

-- name: owner
SELECT user FROM members WHERE conversation = :conversation AND role = 'owner'

-- name: names
SELECT u.id
FROM members AS m
JOIN users AS u ON u.number = m.user
WHERE m.conversation = :conversation

-- name: listing
SELECT u.id, m.role, m.read_seq, m.joined_ms, m.user
FROM members AS m
JOIN users AS u ON u.number = m.user
WHERE m.conversation = :conversation AND (m.joined_ms, m.user) > (:after_ms, :after_user)
ORDER BY m.joined_ms, m.user
LIMIT :limit
