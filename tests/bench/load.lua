-- The closed loop for wrk: every connection sends again as soon as it is answered, each request to another number. After the slice
-- nothing more is sent, and the run ends when the last answer is there, so that no answer is missed.
--
-- Arguments: a file with a key a line, the first number, seconds, connections, 1 for an idempotency key with each request or 0. Prints one
-- JSON document.

local ffi = require("ffi")
ffi.cdef([[
    typedef struct { long seconds; long nanos; } moment;
    int clock_gettime(int clock, moment *now);
    int getpid(void);
    int kill(int process, int signal);
]])
local now = ffi.new("moment")
local MONOTONIC = 1
local INTERRUPT = 2
local NEVER_MS = 3600000
local ACCEPTED = 201

local thread
local heads, first, seconds, connections, keyed
local sent, idle = 0, 0
local starts, ends

-- What `done` reads.
accepted, refused, started, ended = {}, {}, 0, 0

local function clock()
    ffi.C.clock_gettime(MONOTONIC, now)
    return tonumber(now.seconds) + tonumber(now.nanos) / 1e9
end

function setup(one)
    thread = one
end

function init(arguments)
    heads = {}
    for key in io.lines(arguments[1]) do
        heads[#heads + 1] = {["Content-Type"] = "application/json", ["X-API-Key"] = key}
    end
    first, seconds, connections = tonumber(arguments[2]), tonumber(arguments[3]), tonumber(arguments[4])
    keyed = arguments[5] == "1"
end

function delay()
    local at = clock()
    if not ends then
        started, ends = at, at + seconds
    end
    if at < ends then
        return 0
    end
    idle = idle + 1
    if idle == connections then
        wrk.thread:stop()
        ffi.C.kill(ffi.C.getpid(), INTERRUPT) -- wakes wrk's main thread, which would sleep until the most that it was given
    end
    return NEVER_MS
end

function request()
    local number = first + sent
    sent = sent + 1
    local body = string.format('{"mobile":"%.0f","message":"Hello from the bench"}', number)
    local head = heads[number % #heads + 1]
    if keyed then
        head["Idempotency-Key"] = string.format("bench-%.0f", number)
    end
    return wrk.format("POST", nil, head, body)
end

function response(status, headers, body)
    ended = clock()
    if status == ACCEPTED then
        local id, number = body:match('"message_id": *(%d+)'), body:match('"recipient": *"(%d+)"')
        accepted[#accepted + 1] = "[" .. id .. "," .. number .. "]"
    else
        refused[#refused + 1] = status
    end
end

function done(summary, latency, requests)
    local waits = {}
    for percent = 1, 99 do
        waits[#waits + 1] = string.format("%.3f", latency:percentile(percent) / 1000)
    end
    local errors = summary.errors
    local lost = errors.connect + errors.read + errors.write + errors.timeout
    print(string.format(
        '{"accepted": [%s], "refused": [%s], "lost": %d, "started": %.6f, "ended": %.6f, "waits_ms": [%s]}',
        table.concat(thread:get("accepted"), ","), table.concat(thread:get("refused"), ","), lost,
        thread:get("started"), thread:get("ended"), table.concat(waits, ",")))
end
