#!/bin/sh
# redis-server under a short load; for oracle.sh.  The oracle is the server's
# only: the others would print lines of their own.

set -eu
if ! command -v redis-server redis-benchmark redis-cli >/dev/null; then
	echo "redis is not installed" >&2
	exit 77
fi
dir=$(mktemp -d)
socket=$dir/redis.sock
redis-server --port 0 --unixsocket "$socket" --dir "$dir" --save '' \
	--appendonly yes --io-threads 2 >"$dir/log" &
pid=$!
unset LD_PRELOAD
trap 'kill $pid 2>/dev/null || :; wait $pid || :; rm -rf "$dir"' EXIT

tries=0
until redis-cli -s "$socket" ping >/dev/null 2>&1; do
	tries=$((tries + 1))
	[ $tries -lt 100 ] || { cat "$dir/log"; exit 1; }
	sleep 0.1
done
redis-benchmark -s "$socket" -q -n 300 -c 4 -P 4 -r 1000 \
	-t set,get,incr,lpush,rpop,sadd,hset,zadd,mset
redis-cli -s "$socket" eval \
	'local t = {} for i = 1, 300 do t[i] = cjson.encode({ i, tostring(i) })
	 end return #t' 0
redis-cli -s "$socket" shutdown nosave || :
