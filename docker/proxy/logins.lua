-- Failed logins are few: a password that was not accepted in the last minute costs one of the address's tries.
-- The server hashes a password for tens of milliseconds; who guesses many must not keep it from everybody else.
local TRIES = 20      -- a minute and address
local ALL_TRIES = 200 -- a minute, from everywhere
local WINDOW_S = 60
local SLOTS = 2       -- that many at a time: so many threads of the server hash, and the others answer
local WAIT_S = 10     -- for a slot
local ACCEPTED_S = 300

local M = {}
local salt = nil -- of this start: what is remembered is worth nothing elsewhere

local function random()
    local file = assert(io.open("/dev/urandom", "rb"))
    local bytes = file:read(32)
    file:close()
    return bytes
end
salt = random()

-- Where MLflow asks for no login, an answer proves nothing.
local function is_open(path)
    return path:find("^/static%-files/") or path:find("^/health") or path:find("^/favicon") or path:find("server%-info$")
end

local function is_proof(path)
    return path == "/" or path == "/version" or path:find("^/api/2%.0/mlflow") or path:find("^/ajax%-api/2%.0/mlflow")
end

local function take_slot()
    local tries, waited_s = ngx.shared.tries, 0
    while (tries:incr("slots", 1, 0) or SLOTS + 1) > SLOTS do
        tries:incr("slots", -1)
        if waited_s >= WAIT_S then
            return false
        end
        ngx.sleep(0.05)
        waited_s = waited_s + 0.05
    end
    return true
end

function M.check()
    local given = ngx.var.http_authorization
    if not given or is_open(ngx.var.uri) or ngx.req.is_internal() then
        return
    end
    local key = ngx.hmac_sha1(salt, given)
    if ngx.shared.accepted:get(key) then
        return
    end
    local tries, address = ngx.shared.tries, ngx.var.binary_remote_addr
    local num = tries:incr(address, 1, 0, WINDOW_S) or TRIES + 1
    local num_all = tries:incr("all", 1, 0, WINDOW_S) or ALL_TRIES + 1
    if num > TRIES or num_all > ALL_TRIES or not take_slot() then
        ngx.shared.counts:incr("logins_refused", 1, 0)
        return ngx.exit(429)
    end
    ngx.var.new_login = ngx.encode_base64(key)
end

function M.learn()
    local key = ngx.decode_base64(ngx.var.new_login or "")
    if not key or key == "" then
        return
    end
    ngx.shared.tries:incr("slots", -1)
    local status = tonumber(ngx.var.upstream_status)
    if status and status >= 200 and status < 300 and is_proof(ngx.var.uri) and not is_open(ngx.var.uri) then
        ngx.shared.accepted:set(key, true, ACCEPTED_S)
        ngx.shared.tries:incr(ngx.var.binary_remote_addr, -1, 0, WINDOW_S)
        ngx.shared.tries:incr("all", -1, 0, WINDOW_S)
    elseif status == 401 then
        ngx.shared.counts:incr("logins_failed", 1, 0)
    end
end

return M
