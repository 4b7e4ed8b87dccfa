//! Scripts, which servers run as one step. Loaded where a server does not know them.

use std::sync::LazyLock;

use redis::Script;

/// Functions of the scripts about positions. A text that is none counts as the position before every
/// entry. Numbers are doubles: fifteen digits are exact.
const POSITIONS: &str = r"
local function position(text)
  if type(text) ~= 'string' then text = '' end
  local number, nonce, sequence = string.match(text, '^(%d+)%.(%x%x%x%x)%.(%d+)$')
  if not number or #number > 15 or #sequence > 15 then return {0, 0, 0} end
  return {tonumber(number), tonumber(nonce, 16), tonumber(sequence)}
end
local function is_below(one, other)
  for part = 1, 3 do
    if one[part] ~= other[part] then return one[part] < other[part] end
  end
  return false
end
";

/// KEYS: buckets. ARGV: microseconds in which an empty bucket fills, then microseconds used of each
/// bucket. Returns the microseconds until each is full.
pub(crate) static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local most = now + 2 * ARGV[1]
local left = {}
for i, key in ipairs(KEYS) do
  local held = redis.pcall('GET', key)
  local full_at = type(held) == 'string' and tonumber(held) or now
  if not (full_at > now) then full_at = now end
  full_at = math.min(full_at + ARGV[i + 1], most)
  if full_at > now then
    redis.call('SET', key, string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
  end
  left[i] = full_at - now
end
return left",
    )
});

/// KEYS: members. ARGV: the member to add, or nothing; milliseconds that a member counts; maximum
/// number of members. Returns the members, the latest first.
pub(crate) static MEMBERS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')
if ARGV[1] ~= '' then
  redis.call('ZADD', KEYS[1], now, ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return redis.call('ZREVRANGE', KEYS[1], 0, ARGV[3] - 1)",
    )
});

/// KEYS: pins of an extension. ARGV: file, offer, a value that counts as none. Returns the pin that
/// stands. A confirmed one begins with `c`.
pub(crate) static PIN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local held = redis.call('HGET', KEYS[1], ARGV[1])
if held and held ~= ARGV[3] then
  local is_better = string.sub(held, 1, 1) ~= 'c' and string.sub(ARGV[2], 1, 1) == 'c'
  if not is_better then return held end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return ARGV[2]",
    )
});

/// KEYS: lease, epochs, tails. ARGV: topic, replica, highest epoch that it has seen, nonce of a new
/// epoch, milliseconds of a lease. Returns 1 if the replica holds the lease, the epoch of its holder,
/// and the position of the topic's last entry.
pub(crate) static TAKE_LEASE: LazyLock<Script> = LazyLock::new(|| {
    let script = r"
local tail = position(redis.call('HGET', KEYS[3], ARGV[1]))
local tail_text = string.format('%.0f.%04x.%.0f', tail[1], tail[2], tail[3])
local counter = position((redis.call('HGET', KEYS[2], ARGV[1]) or '') .. '.0000.0')
local seen = position(ARGV[3] .. '.0')
local value = redis.pcall('GET', KEYS[1])
if type(value) ~= 'string' then value = '' end
local holder, epoch_text = string.match(value, '^(%S+) (%S+)$')
local epoch = position((epoch_text or '') .. '.0')
local is_void = epoch[1] == 0 or is_below(epoch, counter) or is_below(epoch, seen)
  or is_below(epoch, {tail[1], tail[2], 0})
if not is_void then
  local left = redis.call('PTTL', KEYS[1])
  local is_held = holder == ARGV[2]
  if is_held or left < 0 or left > tonumber(ARGV[5]) then
    redis.call('PEXPIRE', KEYS[1], ARGV[5])
  end
  return {is_held and 1 or 0, epoch_text, tail_text}
end
local number = string.format('%.0f', math.max(counter[1], seen[1], tail[1]) + 1)
epoch_text = number .. '.' .. ARGV[4]
redis.call('HSET', KEYS[2], ARGV[1], number)
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. epoch_text, 'PX', ARGV[5])
return {1, epoch_text, tail_text}";
    Script::new(&[POSITIONS, script].concat())
});

/// KEYS: lock. ARGV: replica, milliseconds of a lock. Returns 1 if the replica holds the lock. One without
/// an end, or with a later one, counts as none: no replica made it.
pub(crate) static TAKE_LOCK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local left = redis.call('PTTL', KEYS[1])
if left > 0 and left <= tonumber(ARGV[2]) and redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1",
    )
});

/// KEYS: lease or lock. ARGV: its value. Returns 1 if it had this value.
pub(crate) static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])",
    )
});

/// KEYS: lease, tails, log, requests. ARGV: replica with its epoch, topic, position, position before
/// it, payload, signature, about the maximum number of entries, ids of the answered requests. Returns
/// 0 if another replica writes about the topic.
pub(crate) static APPEND: LazyLock<Script> = LazyLock::new(|| {
    let script = r"
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local tail = position(redis.call('HGET', KEYS[2], ARGV[2]))
local previous = position(ARGV[4])
if is_below(tail, previous) or is_below(previous, tail) then return 0 end
if not is_below(tail, position(ARGV[3])) then return 0 end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[7], '*', 'topic', ARGV[2], 'position', ARGV[3],
  'previous', ARGV[4], 'payload', ARGV[5], 'mac', ARGV[6])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
for at = 8, #ARGV do redis.call('XDEL', KEYS[4], ARGV[at]) end
return 1";
    Script::new(&[POSITIONS, script].concat())
});

/// KEYS: requests. ARGV: topic, payload, signature, about the maximum number of requests.
pub(crate) static POST: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
return redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'topic', ARGV[1], 'payload', ARGV[2],
  'mac', ARGV[3])",
    )
});

/// KEYS: log, requests. ARGV: id of an entry, or nothing. Returns 1 if the entry is there, and the id of
/// the last request, or nothing.
pub(crate) static PLACES: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local is_there = 1
if ARGV[1] ~= '' then
  is_there = #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1], 'COUNT', 1)
end
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)[1]
return {is_there, last and last[1] or ''}",
    )
});

/// KEYS: lease, tails, snapshot, marks, log. ARGV: replica with its epoch, topic, position, manifest.
/// Returns 0 if another replica writes about the topic. Deletes the entries that the snapshots of all
/// topics include.
pub(crate) static WRITE_SNAPSHOT: LazyLock<Script> = LazyLock::new(|| {
    let script = r"
if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return 0 end
local tail = position(redis.call('HGET', KEYS[2], ARGV[2]))
local here = position(ARGV[3])
local begins = here[3] == 0
if is_below(here, tail) or (is_below(tail, here) and not begins) then return 0 end
local last = redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 1)[1]
redis.call('SET', KEYS[3], ARGV[4])
redis.call('HSET', KEYS[4], ARGV[2], last and last[1] or '0-0')
if begins then redis.call('HSET', KEYS[2], ARGV[2], ARGV[3]) end
local lowest
for _, topic in ipairs(redis.call('HKEYS', KEYS[2])) do
  local mark = redis.call('HGET', KEYS[4], topic) or ''
  local millis, number = string.match(mark, '^(%d+)-(%d+)$')
  local place = {0, 0, 0}
  if millis and #millis <= 15 and #number <= 15 then
    place = {tonumber(millis), tonumber(number), 0}
  end
  if not lowest or is_below(place, lowest) then lowest = place end
end
redis.call('XTRIM', KEYS[5], 'MINID', string.format('%.0f-%.0f', lowest[1], lowest[2]))
return 1";
    Script::new(&[POSITIONS, script].concat())
});
