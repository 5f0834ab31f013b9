#!/bin/sh
# A throw-away PostgreSQL and Redis for the tests, on unix sockets only.
#
#   eval "$(scripts/services.sh start)"   starts them, sets TEST_POSTGRES_DSN and TEST_REDIS_URL
#   scripts/services.sh env               prints the same settings, starts nothing
#   scripts/services.sh stop              stops them and deletes their data
#
# Every checkout has servers of its own. As root on Debian, what is missing is
# installed; SERVICES_DIR changes where the data is.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# Under /tmp, because a socket's path must be shorter than 108 bytes.
dir=${SERVICES_DIR:-/tmp/penstock-$(id -u)-$(printf %s "$here" | cksum | cut -d' ' -f1)}
sockets=$dir/run
data=$dir/pg

has() { command -v "$1" >/dev/null 2>&1; }
say() { printf 'services: %s\n' "$*" >&2; }

# Debian keeps initdb and pg_ctl out of PATH.
pg_bin() {
	if has initdb && has pg_ctl; then
		dirname "$(command -v pg_ctl)"
	else
		for found in /usr/lib/postgresql/*/bin; do
			[ -x "$found/pg_ctl" ] && printf '%s\n' "$found"
		done | sort -V | tail -n 1
	fi
}

# PostgreSQL refuses to run as root. The directory it is called in must be one
# that its user may read.
as_postgres() (
	cd /
	if [ "$(id -u)" = 0 ]; then
		exec runuser -u postgres -- "$@"
	fi
	exec "$@"
)

postgres_runs() { as_postgres "$(pg_bin)/pg_ctl" -D "$data" status >/dev/null 2>&1; }

start_postgres() {
	bin=$(pg_bin)
	if [ ! -s "$data/PG_VERSION" ]; then
		rm -rf "$data"
		mkdir -p "$data"
		chmod 700 "$data"
		[ "$(id -u)" != 0 ] || chown postgres "$data"
		as_postgres "$bin/initdb" -D "$data" -U postgres --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
	fi
	# Nothing here has to survive a power cut, and without fsync tests are fast.
	# pg_ctl hands the options to a shell: they must stay on one line.
	options="-k $sockets -c listen_addresses='' -c max_connections=200 -c shared_buffers=64MB"
	options="$options -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
	postgres_runs || as_postgres "$bin/pg_ctl" -D "$data" -w -t 60 -s -l "$data/log" -o "$options" start >&2 || {
		say "PostgreSQL does not start:"
		tail -n 20 "$data/log" >&2 || true
		return 1
	}
}

redis_answers() { [ "$(redis-cli -s "$sockets/redis.sock" ping 2>/dev/null)" = PONG ]; }

start_redis() {
	redis_answers && return
	redis-server --port 0 --unixsocket "$sockets/redis.sock" --unixsocketperm 700 \
		--save '' --appendonly no --dir "$dir" --logfile "$dir/redis.log" --daemonize yes >/dev/null
	tries=0
	until redis_answers; do
		tries=$((tries + 1))
		if [ "$tries" -ge 100 ]; then
			say "Redis does not answer:"
			tail -n 20 "$dir/redis.log" >&2 || true
			return 1
		fi
		sleep 0.1
	done
}

print_env() {
	echo "export TEST_POSTGRES_DSN='host=$sockets user=postgres dbname=postgres sslmode=disable'"
	echo "export TEST_REDIS_URL='unix://$sockets/redis.sock'"
}

case ${1:-} in
start)
	"$here/need" postgresql redis
	mkdir -p "$sockets"
	chmod 755 "$dir" "$sockets"
	[ "$(id -u)" != 0 ] || chown postgres "$sockets"
	start_postgres
	start_redis
	print_env
	;;
env)
	print_env
	;;
stop)
	[ -d "$dir" ] || exit 0
	# immediate: the data is deleted next.
	postgres_runs && as_postgres "$(pg_bin)/pg_ctl" -D "$data" -m immediate -w -s stop
	redis_answers && redis-cli -s "$sockets/redis.sock" shutdown nosave >/dev/null 2>&1 || true
	rm -rf "$dir"
	;;
*)
	echo "usage: $0 start | stop | env" >&2
	exit 2
	;;
esac
