-- The load of every round: one POST after the other on each connection, with an id that no other
-- request of the run has.  Called as
--
--     wrk ... -s post.lua URL -- TAG CLIENT_KEY CLIENT_SECRET
--
-- TAG (up to 6 characters) tells rounds apart.  The head of the request is put together once; per
-- request only the number in it changes, so that wrk costs the same for every server.

local threads = 0

function setup(thread)
	thread:set("thread_number", threads)
	threads = threads + 1
end

function init(arguments)
	local tag, key, secret = arguments[1], arguments[2], arguments[3]
	-- The ten # are the number's place: as long as the number, since Content-Length counts them.
	local id = string.format("%-6s-%02d-##########", tag, thread_number):gsub(" ", "x")
	wrk.method = "POST"
	wrk.headers["Content-Type"] = "application/json"
	wrk.headers["client_key"] = key
	wrk.headers["client_secret"] = secret
	wrk.body = '{"id":"' .. id .. '","name":"Jane Doe","email":"jane.doe@example.com"'
		.. ',"tags":["newsletter","returning-visitor"],"subscription":[{"id":"plan-pro","price":29.90}]'
		.. ',"address":{"city":"Lisbon"},"created":"2024-05-17T09:30:00Z"}'
	template = wrk.format():gsub("%%", "%%%%"):gsub("##########", "%%010d")
	number = 0
end

function request()
	number = number + 1
	return string.format(template, number)
end

function done(summary, latency, requests)
	local errors = summary.errors
	io.write(string.format(
		'\nresult {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "max": %d, '
			.. '"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}\n',
		summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
		latency.max, errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
