-- What the proxy has answered, for Prometheus: requests by status, their time, failed and refused logins.
local M = {}

function M.add()
    local counts = ngx.shared.counts
    counts:incr("code:" .. ngx.var.status, 1, 0)
    counts:incr("seconds", tonumber(ngx.var.request_time) or 0, 0)
end

function M.show()
    local counts = ngx.shared.counts
    ngx.say("# TYPE mlflow_requests_total counter")
    for _, key in ipairs(counts:get_keys(0)) do
        local code = key:match("^code:(%d+)$")
        if code then
            ngx.say(string.format('mlflow_requests_total{code="%s"} %d', code, counts:get(key)))
        end
    end
    for name, key in pairs({ request_seconds = "seconds", logins_failed = "logins_failed", logins_refused = "logins_refused" }) do
        ngx.say("# TYPE mlflow_" .. name .. "_total counter")
        ngx.say(string.format("mlflow_%s_total %s", name, counts:get(key) or 0))
    end
end

return M
