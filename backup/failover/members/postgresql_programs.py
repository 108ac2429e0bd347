"""The scripts that run on a member's own machine. `$1` is the data directory. Plain sh, and PostgreSQL's programs."""

PRELUDE = """\
set -eu
data=$1
shift
owner=$(stat -c %u -- "$data") group=$(stat -c %g -- "$data")
# With the owner's other groups: Debian's server reads its TLS key as one of `ssl-cert`.
if id -un -- "$owner" >/dev/null 2>&1; then groups=--init-groups; else groups=--clear-groups; fi
as_owner() {
    if [ "$(id -u)" = 0 ] && [ "$owner" != 0 ]; then
        setpriv --reuid="$owner" --regid="$group" "$groups" -- "$@"
    else "$@"; fi
}
kept=$data.kept
# A server that is started on a full disk leaves this file empty.
if [ -s "$data/postmaster.opts" ]; then opts=$(cat "$data/postmaster.opts"); else opts=$(cat "$kept/postmaster.opts"); fi
keep() { # whole files or none: the disk may be full
    mkdir -p -- "$kept"
    chown -- "$owner:$group" "$kept"
    for file in "$@"; do
        [ -s "$file" ] || continue
        cp -p -- "$file" "$kept/.fresh"
        mv -- "$kept/.fresh" "$kept/${file##*/}"
    done
}
programs=$(dirname "${opts%% *}")
runs() { # whether the process of postmaster.pid is alive and lives in this directory; sets pid
    pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null) || return 1
    [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$(readlink -f "$data")" ]
}
cd /
"""
"""Sets `programs`, `opts`, `as_owner` and `runs`. The options are quoted for a shell, as pg_ctl wants them."""

STATE = """\
if runs; then echo "running: $(awk '{print $3}' "/proc/$pid/stat")"; exit 0; fi
as_owner "$programs/pg_controldata" -D "$data"
"""
"""What the control file says, or that a process is there after all."""

STOP = """\
runs || exit 0
gone() { # whether the server ends within $1 looks
    for _ in $(seq "$1"); do
        [ -d "/proc/$pid/cwd" ] || return 0
        sleep 0.02
    done
    return 1
}
if [ "$1" = fast ]; then
    kill -s INT "$pid"
    gone 500 && exit 0 # ten seconds: less than whoever takes over unproven waits
fi
kill -s QUIT "$pid" 2>/dev/null || :
gone 50 || :
home=$(readlink -f "$data")
for _ in $(seq 50); do
    left=
    for place in $(find /proc/[0-9]*/cwd -maxdepth 0 -lname "$home" 2>/dev/null); do
        process=${place%/cwd}
        read -r name <"$process/comm" && [ "$name" = postgres ] && left="$left ${process#/proc/}" || :
    done
    [ -n "$left" ] || exit 0
    kill -s KILL $left 2>/dev/null || :
    sleep 0.05
done
echo "the server $pid does not end" >&2
exit 1
"""
"""In the mode `$2`; who is frozen, or takes too long, is killed with all of its children."""

START = """\
if runs; then exit 0; fi
keep "$data/postmaster.opts"
# The number of one that was killed may stay in the table of processes, or be another's by now: the server would refuse.
old=$(head -n 1 "$data/postmaster.pid" 2>/dev/null || :)
for _ in $(seq 100); do
    [ -n "$old" ] && [ -e "/proc/$old" ] || break
    sleep 0.05
done
if [ -n "$old" ] && [ -z "$(find /proc/[0-9]*/cwd -maxdepth 0 -lname "$(readlink -f "$data")" 2>/dev/null)" ]; then
    rm -f -- "$data/postmaster.pid"
fi
for _ in 1 2 3 4; do
    as_owner "$programs/pg_ctl" start -D "$data" -w -t 5 -l "$data.log" -o "${opts#* }" >/dev/null 2>&1 && exit 0
    if runs; then exit 0; fi
    sleep 0.2
done
tail -n 3 -- "$data.log" >&2
exit 1
"""
"""As it was started last. One that still recovers after five seconds counts as started."""

_KEEP = """\
if [ ! -e "$kept/under-way" ]; then
    keep "$data"/*.conf "$data/postmaster.opts"
    : >"$kept/under-way"
fi
"""
"""Until it has become a standby, what was kept is its own; what lies in the data directory may be the other's by then."""
_BECOME_STANDBY = """\
cp -p -- "$kept"/*.conf "$data/"
grep -v -e '^primary_conninfo' -e '^synchronous_standby_names' "$kept/postgresql.auto.conf" >"$data/postgresql.auto.conf" || :
quoted=$(printf %s "$2" | sed "s/'/''/g")
echo "primary_conninfo = '$quoted'" >>"$data/postgresql.auto.conf"
: >"$data/standby.signal"
chown -- "$owner:$group" "$data/postgresql.auto.conf" "$data/standby.signal"
rm -f -- "$kept/under-way"
"""
"""Its own settings stay its own, though a rewind or a copy brings those of the other."""

REWIND = (
    _KEEP
    + """\
config=$(printf %s "$opts" | sed -n 's/.*"config_file=\\([^"]*\\)".*/\\1/p')
lived=$(LC_ALL=C as_owner "$programs/pg_controldata" -D "$data" |
    sed -n -e "s/^Latest checkpoint's TimeLineID: *//p" -e "s/^Min recovery ending loc's timeline: *//p" | sort -n | tail -n 1)
# A standby on the source's timeline has nothing to lose, and would be given a log of its own: a rewind ends its recovery.
if [ ! -e "$data/standby.signal" ] || [ "$lived" != "$3" ]; then
    rm -f -- "$data/standby.signal"
    as_owner "$programs/pg_rewind" --target-pgdata="$data" --source-server="$1" --no-sync ${config:+--config-file="$config"} >&2
fi
"""
    + _BECOME_STANDBY
)
"""Throw away what the source, `$1`, on timeline `$3`, has not; then a standby of the server that `$2` connects to."""

_ONE_PLACE = """\
refuse() { echo "$data is not replaced: $1; do it by hand" >&2; exit 1; }
[ ! -L "$data" ] || refuse "it is a link"
! mountpoint -q -- "$data" || refuse "it is a mount point"
for part in "$data"/*; do
    [ -d "$part" ] || continue
    [ ! -L "$part" ] || refuse "$part is a link"
    ! mountpoint -q -- "$part" || refuse "$part is a mount point"
done
[ -z "$(ls -A "$data/pg_tblspc" 2>/dev/null)" ] || refuse "it has tablespaces"
"""
"""A whole copy takes the place of one plain directory."""

COPY = (
    _ONE_PLACE
    + _KEEP
    + """\
fresh=$data.fresh
rm -rf -- "$fresh"
as_owner "$programs/pg_basebackup" -d "$1" -D "$fresh" -X stream -c fast --no-sync >&2
rm -rf -- "$data"
mv -T -- "$fresh" "$data"
cp -p -- "$kept/postmaster.opts" "$data/"
"""
    + _BECOME_STANDBY
)
"""A whole new copy of the source; there must be room for both."""
