#!/usr/bin/env bash
# wouter-preact 3.11.1: useSearch() gives the query with its percent signs decoded, and useSearchParams() decodes that once more.
#
# A value that was encoded as every encoder does it (URLSearchParams, encodeURIComponent) comes back as another one as soon
# as it has a percent sign before two hexadecimal digits: `100%25` is meant, `100%` is given; `a%2e` becomes `a.`.
# What the specification of URLs says, and what `new URLSearchParams(location.search)` gives, is the value itself.
#
# Output seen (2026-11):
#   "a%2e%2e" as ?value=a%252e%252e is read as "a.."  <-- another value
#   "100%25" as ?value=100%2525 is read as "100%"  <-- another value
#   2 of 5 values came back as others
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent wouter-preact@3.11.1 preact@10.29.8 preact-render-to-string@6.7.0
cat >seen.mjs <<'PROGRAM'
import { h } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { Router, useSearchParams } from 'wouter-preact';
import { memoryLocation } from 'wouter-preact/memory-location';

const given = ['plain', 'a%2e%2e', '100%25', 'a&b=c', 'ü'];
let differ = 0;
for (const value of given) {
  const search = new URLSearchParams({ value }).toString();
  const { hook } = memoryLocation({ path: `/?${search}` });
  let seen;
  const Page = () => {
    [seen] = useSearchParams();
    return null;
  };
  renderToString(h(Router, { hook }, h(Page)));
  const got = seen.get('value');
  const isSame = got === value;
  if (!isSame) differ++;
  console.log(`${JSON.stringify(value)} as ?${search} is read as ${JSON.stringify(got)}${isSame ? '' : '  <-- another value'}`);
}
console.log(`${differ} of ${given.length} values came back as others`);
process.exit(differ === 2 ? 0 : 1);
PROGRAM
node seen.mjs
