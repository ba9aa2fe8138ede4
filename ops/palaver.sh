#!/bin/sh
# The command `palaver` with the settings of the service, to be installed as /usr/local/bin/palaver: docs/how-to/deploy.md.
# Start it as root: it goes on as the owner of the data folder. What stands before it (PALAVER_DATA=… palaver …) wins.
given=$(export -p)
set -a
PALAVER_DATA=/var/lib/palaver
. /etc/palaver/palaver.env
eval "$given"
exec /opt/palaver/.venv/bin/palaver "$@"
