-- Requests the targets of a file in turn. Arguments: the file, name and value of one header, and
-- the pause of a connection between two requests, in microseconds.

function init(args)
  local targets = {}
  for target in io.lines(args[1]) do targets[#targets + 1] = target end
  wrk.headers[args[2]] = args[3]
  -- One target needs no function: wrk sends one request that it made beforehand.
  wrk.path = targets[1]
  if #targets > 1 then in_turn(targets) end
  local pause = tonumber(args[4]) / 1000
  if pause > 0 then
    -- wrk takes whole milliseconds: a share of the pauses is one longer, so that the mean is right.
    function delay() return math.floor(pause + math.random()) end
  end
end

function in_turn(targets)
  local requests, last = {}, 0
  for number, target in ipairs(targets) do requests[number] = wrk.format("GET", target) end
  function request()
    last = last % #requests + 1
    return requests[last]
  end
end
