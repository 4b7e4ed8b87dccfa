//! Scripts, which servers run as one step. Loaded where a server does not know them.

use std::sync::LazyLock;

use redis::Script;

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
