-- wrk: posts one body, with a token if there are any (each once if there are several); tells its figures as JSON.
local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  wrk.method, wrk.body = "POST", read(args[1])
  wrk.headers["Content-Type"] = "application/json"
  tokens, turn = {}, 0
  if args[2] then
    for token in io.lines(args[2]) do tokens[#tokens + 1] = token end
  end
  if #tokens == 1 then wrk.headers["Authorization"] = "Bearer " .. tokens[1] end
  prepared = wrk.format()
end

function request()
  if #tokens < 2 then return prepared end
  turn = turn % #tokens + 1
  wrk.headers["Authorization"] = "Bearer " .. tokens[turn]
  return wrk.format()
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"failed":%d,"p50":%f,"p99":%f,"p999":%f,"max":%f}\n',
    summary.requests, summary.duration / 1e6,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3, latency.max / 1e3))
end
