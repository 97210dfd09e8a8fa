/**
 * What Redis runs for us: four scripts, each atomic, each over keys of one slot.
 *
 * Every value begins with the same 28 bytes, so that the scripts need to know no more of it (packed.ts):
 *
 *   1 format │ 6 order, big-endian │ 1 flags │ 16 identity │ 4 lineage │ … │ 6 end, by this server's clock
 *
 * A write never replaces a newer one: one with a higher order and the same lineage. The lineage is made from the run id of
 * the server that took the write, so after a restart, a failover or a migration of the slot all that was there before is
 * void: replication is asynchronous, and what is missing is exactly what was written last, a condemnation perhaps.
 *
 * A reader that finds nothing gets a ticket, if nobody has one: only who holds the ticket may fill in what it then reads
 * from PostgreSQL. A writer who knows better takes the ticket away, so that a slow reader cannot bring back what was
 * evicted or has ended meanwhile. Where something unusable was found, its digest is the ticket.
 *
 * Where Redis has no room for the better value it must not keep the worse one: DEL needs no room. Where it takes nothing at
 * all (a replica, a disk that it cannot save to), whoever writes is told so, and tries again.
 *
 * The first key is always the cell's link, also where the script has no use for it: a proxy in front of several servers takes
 * a script to the one that has its first key, and all of a cell must lie there.
 *
 * `TIME` comes first in each, so the answer to it is also a sample of this server's clock.
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly sha: string;
  readonly text: string;
}

const script = (text: string): Script => ({ sha: createHash('sha1').update(text).digest('hex'), text });

/** What is of another kind than ours is as good as nothing; any other refusal (a right that is missing) ends the script. */
const GET = `
local function get(key)
  local v = redis.pcall('GET', key)
  if type(v) ~= 'table' then return v end
  if not string.find(v.err, 'WRONGTYPE', 1, true) then error(v.err) end
end
`;

const NOW = `
local t = redis.call('TIME')
local info = redis.call('INFO', 'server')
local _, before = string.find(info, 'run_id:', 1, true)
local id = before and string.match(info, '^%x+', before + 1) or ''
`;

/**
 * KEYS: the link, then the entries. ARGV: ticket ('' for none), its life in ms.
 * Answers seconds, microseconds and run id in one text, what the keys have as one MessagePack array (a value; false: nothing; true: nothing,
 * and the ticket is yours), and why it could give no ticket ('': it could). A thousand values as a thousand answers cost their
 * reader more than all else, and to put them together in Lua took Redis a quarter longer.
 */
export const READ = script(`${NOW}
local values = redis.call('MGET', unpack(KEYS))
local refused = ''
for i = 1, #KEYS do
  local v = values[i]
  if not v or #v > 65535 then
    values[i] = false
    if i > 1 and ARGV[1] ~= '' then
      local r = redis.pcall('SET', KEYS[i] .. ':t', ARGV[1], 'NX', 'PX', ARGV[2])
      if r and r.ok then values[i] = true end
      if r and r.err then refused = r.err end
    end
  end
end
return {t[1] .. ' ' .. t[2] .. ' ' .. id, cmsgpack.pack(values), refused}`);

/**
 * KEYS: the link, then the entries. ARGV: run id, time after which it is void, the link ('' for none), its life in ms, the
 * channel, the time at which PostgreSQL was asked; then for each entry guard, life in ms, value and message. Guards: `a` a
 * writer who knows; `t…` a ticket; `s…` the digest of what is to be replaced.
 * Answers what became of each: 'ok', 'newer', 'ticket', 'condemned', 'rebuilt', 'refused', and then, if one was refused or
 * nobody could be told, why; or one word for all.
 */
export const WRITE = script(`${NOW}${GET}
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if id ~= ARGV[1] then return 'moved' end
if now > tonumber(ARGV[2]) then return 'late' end
if ARGV[3] ~= '' then
  local cur = get(KEYS[1])
  local known = type(cur) == 'string' and #cur >= 28 and string.sub(cur, 25, 28) == string.sub(ARGV[3], 25, 28)
    and struct.unpack('>I6', cur, 2) > struct.unpack('>I6', ARGV[3], 2)
  if not known then redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
end
local out, why = {}, nil
for i = 2, #KEYS do
  local at = 7 + (i - 2) * 4
  local guard, life, value, message = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local cur = get(KEYS[i])
  local kind = string.sub(guard, 1, 1)
  local same = cur and #cur >= 28 and string.sub(cur, 1, 1) == '\\1' and string.sub(cur, 25, 28) == string.sub(value, 25, 28)
  local verdict = 'ok'
  if kind == 's' then
    if not cur or redis.sha1hex(cur) ~= string.sub(guard, 2) then verdict = 'ticket' end
  else
    if same and struct.unpack('>I6', cur, 2) > struct.unpack('>I6', value, 2) then verdict = 'newer' end
    if kind == 't' and get(KEYS[i] .. ':t') ~= string.sub(guard, 2) then verdict = 'ticket' end
  end
  local forgotten = get(KEYS[i] .. ':f')
  if verdict ~= 'ticket' and type(forgotten) == 'string' and tonumber(forgotten) >= tonumber(ARGV[6]) then
    verdict = 'rebuilt'
  end
  if verdict == 'ok' and string.byte(value, 8) % 2 == 1 and get(KEYS[i] .. ':c') == string.sub(value, 9, 24) then
    verdict = 'condemned'
  end
  if verdict == 'ok' then
    local r = redis.pcall('SET', KEYS[i], value .. struct.pack('>I6', now + life), 'PX', life)
    if r.err then
      verdict = 'refused'
      why = r.err
      if kind == 'a' then redis.pcall('DEL', KEYS[i]) end
    end
  end
  if (kind == 't' and verdict ~= 'ticket') or (kind == 'a' and verdict ~= 'rebuilt') then
    redis.pcall('DEL', KEYS[i] .. ':t')
  end
  if kind == 'a' and message ~= '' and verdict ~= 'rebuilt' and not (same and string.sub(cur, 8, 24) == string.sub(value, 8, 24)) then
    local r = redis.pcall('PUBLISH', ARGV[5], message)
    if type(r) == 'table' then why = r.err end
  end
  out[i - 1] = verdict
end
out[#KEYS] = why
return out`);

/**
 * The value that rests on one measurement is void, whatever its order; and so is what is read from PostgreSQL and written
 * here before the condemnation was projected.
 * KEYS: the link, the entry. ARGV: identity, how long it is remembered in ms, the channel, the message. Answers 'ok', or why
 * not.
 */
export const CONDEMN = script(`${GET}
local r = redis.pcall('SET', KEYS[2] .. ':c', ARGV[1], 'PX', ARGV[2])
local why = type(r) == 'table' and r.err
local cur = get(KEYS[2])
if cur and #cur >= 28 and string.sub(cur, 9, 24) == ARGV[1] then
  local order, flags = string.byte(cur, 7), string.byte(cur, 8)
  r = redis.pcall('SETRANGE', KEYS[2], 6, string.char(order + 1 - order % 2, flags - flags % 2))
  if type(r) == 'table' and r.err then r = redis.pcall('DEL', KEYS[2]) end
  if type(r) == 'table' and r.err then why = r.err end
end
r = redis.pcall('PUBLISH', ARGV[3], ARGV[4])
return type(r) == 'table' and r.err or why or 'ok'`);

/**
 * Values that are void with the rows they were made of, and the tickets of who is about to put them back. When that was is
 * kept for as long as somebody may come who asked PostgreSQL before it: a rebuild does not raise the rows' order.
 * KEYS: the link, then the entries. ARGV: the channel, the message, how long it is remembered in ms. Answers 'ok', or why not.
 */
export const FORGET = script(`
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.ceil(t[2] / 1000))
local why
for i = 2, #KEYS do
  local r = redis.pcall('DEL', KEYS[i], KEYS[i] .. ':t')
  if type(r) == 'table' then why = r.err end
  r = redis.pcall('SET', KEYS[i] .. ':f', now, 'PX', ARGV[3])
  if r.err then why = r.err end
end
local r = redis.pcall('PUBLISH', ARGV[1], ARGV[2])
return type(r) == 'table' and r.err or why or 'ok'`);

/**
 * A lease that dies with its holder: taken, renewed or given back by who knows its secret.
 * KEYS: the lease. ARGV: secret, life in ms (0 gives it back). Answers 1 when it is held by the caller now.
 */
export const LEASE = script(`
local holder = redis.call('GET', KEYS[1])
if ARGV[2] == '0' then
  if holder == ARGV[1] then redis.call('DEL', KEYS[1]) end
  return 0
end
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`);
