-- wrk: hybrid searches of the bundled servers, over forty different queries.
local words = { "thread", "socket", "regular expression", "file", "decode",
	"iterator", "exception", "module", "dictionary", "timeout" }
local turn = 0

function request()
	turn = turn + 1
	local query = words[turn % #words + 1] .. " " ..
		words[(turn * 7 + math.floor(turn / 10)) % #words + 1]
	local body = '{"query": "' .. query .. '", "top_k": 8}'
	return wrk.format("POST", nil,
		{ ["Content-Type"] = "application/json" }, body)
end
