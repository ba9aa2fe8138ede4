-- Where a database file stands, as a copy of it is labelled.

-- name: standing
-- The newest generation, and the time of the last heartbeat (ms UTC; 0 where the file never had one).
SELECT
    number,
    epoch,
    CAST(COALESCE((SELECT value FROM meta WHERE key = 'heartbeat'), 0) AS INTEGER) AS heartbeat_ms
FROM generations
WHERE number = (SELECT max(number) FROM generations)
