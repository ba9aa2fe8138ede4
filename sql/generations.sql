-- name: all
-- A handful of rows: one per opening of the file.
SELECT number, epoch, kind, since_ms, cause, replays, ledger
FROM generations
ORDER BY number

-- name: newest
SELECT number, synchronous, ended_ms
FROM generations
ORDER BY number DESC
LIMIT 1

-- name: begin
INSERT INTO generations (epoch, kind, since_ms, cause, synchronous)
VALUES (:epoch, :kind, :since_ms, :cause, :synchronous)

-- name: end
UPDATE generations SET ended_ms = :ended_ms WHERE number = :number
