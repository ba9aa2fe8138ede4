-- name: find
SELECT number FROM users WHERE id = :id

-- name: add
INSERT INTO users (id) VALUES (:id)

-- name: by_number
SELECT id FROM users WHERE number = :number
