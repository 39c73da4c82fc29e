-- What wrk sends: requests of one scenario from the owners of random tenants, the same sequence in every run.
--
-- Arguments: a file with a line for each tenant (its owner's token and key, then the ids of its projects), the scenario and, for a
-- warm-up, after how many seconds nothing new is sent.
-- Everything but the id in a path is put together beforehand, so that wrk leaves the processor to the server.

local threads = 0
local random = math.random
local tenants = {}
local next_request

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local function read_file(path)
  for line in io.lines(path) do
    local token, key, ids = line:match("^(%S+) (%S+) (.+)$")
    local headers = { ["Authorization"] = "Bearer " .. token }
    local body_headers = { ["Authorization"] = headers["Authorization"], ["Content-Type"] = "application/json" }
    local body = '{"name":"A new project","description":"What has to be done until the end of the year, who does it."}'
    local before, after = wrk.format("GET", "/api/v1/projects/@", headers):match("^(.-)@(.*)$")
    local by_key = { ["Authorization"] = "Bearer " .. key }
    local _, after_key = wrk.format("GET", "/api/v1/projects/@", by_key):match("^(.-)@(.*)$")
    local tenant = {
      before = before,
      after = after,
      after_key = after_key,
      ids = {},
      list = wrk.format("GET", "/api/v1/projects?limit=50", headers),
      create = wrk.format("POST", "/api/v1/projects", body_headers, body),
    }
    for id in ids:gmatch("%S+") do
      tenant.ids[#tenant.ids + 1] = id
    end
    tenants[#tenants + 1] = tenant
  end
end

local function tenant()
  return tenants[random(#tenants)]
end

local scenarios = {}

function scenarios.read()
  local from = tenant()
  return from.before .. from.ids[random(#from.ids)] .. from.after
end

function scenarios.key_read()
  local from = tenant()
  return from.before .. from.ids[random(#from.ids)] .. from.after_key
end

function scenarios.list()
  return tenant().list
end

function scenarios.create()
  return tenant().create
end

function scenarios.mix()
  local percent = random(100)
  if percent <= 80 then
    return scenarios.read()
  elseif percent <= 95 then
    return scenarios.list()
  end
  return scenarios.create()
end

function init(args)
  math.randomseed(20240229 + number)
  read_file(args[1])
  next_request = scenarios[args[2]]
  if args[3] then
    local quiet = os.time() + tonumber(args[3])
    -- Only if there is one does wrk ask for the milliseconds before each request.
    delay = function()
      return os.time() < quiet and 0 or 60000
    end
  end
end

function request()
  return next_request()
end

-- One line for `wrk.rs`; times are in microseconds.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    "result requests=%d duration=%d p50=%d p99=%d connect=%d read=%d write=%d timeout=%d status=%d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
