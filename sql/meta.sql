-- What a database file knows of itself; see also the migrations.

-- name: heartbeat
-- When the server last proved that copies arrive: a restored file tells by it which moment it shows.
INSERT INTO meta (key, value) VALUES ('heartbeat', :now_ms)
ON CONFLICT (key) DO UPDATE SET value = excluded.value
