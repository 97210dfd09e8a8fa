#!/usr/bin/env bash
# pg-connection-string 2.14.1, which pg 8.23.1 takes, Node 20: a slash in a database's name stays percent-encoded, all else is decoded.
#
# A database may be called `team/trading`; in a URL that is `postgres://host/team%2Ftrading`, which psql and libpq take. The
# parser decodes user and password with decodeURIComponent, and the name with decodeURI, which leaves what has a meaning in
# URLs as it is: / ? # ; , : @ & = + $. The server is asked for a database of another name, "team%2Ftrading", and answers that
# it does not exist (3D000). As an option (`database`) such a name can be given, in a URL it cannot.
#
# Here: the server's message, with the name that was asked for, is told (src/postgres/database-error.ts).
#
# Output seen (2026-11):
#   team%2Ftrading is team%2Ftrading, user a%2Fb is a/b, a%20b is "a b"
set -euo pipefail
directory="$(mktemp -d)"
trap 'rm -rf "$directory"' EXIT
cd "$directory"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund pg-connection-string@2.14.1
cat >run.mjs <<'JS'
import { parse } from 'pg-connection-string';

const slash = parse('postgres://a%2Fb:secret@db.example/team%2Ftrading');
const blank = parse('postgres://a:secret@db.example/a%20b');
console.log(`team%2Ftrading is ${slash.database}, user a%2Fb is ${slash.user}, a%20b is "${blank.database}"`);
process.exit(slash.database === 'team%2Ftrading' && slash.user === 'a/b' && blank.database === 'a b' ? 0 : 1);
JS
node run.mjs
