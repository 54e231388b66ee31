# tests/lab/lib.sh: what labs share. A lab is a bash script that sources this,
# runs checks, and ends with lab_end. Each check prints one line:
# "ok NAME", "FAILED NAME" (with what was seen) or "skipped NAME: why".
#
# Every lab has folders of its own (home, run, and a place for files), which
# are kept when something failed: the consoles, events and logs are in there.

O=$(realpath "${O:-build}")
MUSTER=${MUSTER:-$O/muster}
FAKE=${FAKE:-$O/muster-fake}
LAB_PASSED=0; LAB_FAILED=0; LAB_SKIPPED=0
LAB_NAME=${0##*/}
LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/$LAB_NAME.XXXXXX")
# Images are found where the user has them.
export MUSTER_IMAGE_PATH=${MUSTER_IMAGE_PATH:+$MUSTER_IMAGE_PATH:}${MUSTER_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/muster}/images
export MUSTER_HOME=$LAB_DIR/home XDG_RUNTIME_DIR=$LAB_DIR/run
mkdir -p "$MUSTER_HOME" "$XDG_RUNTIME_DIR"
MUSTER=$(realpath "$MUSTER"); FAKE=$(realpath "$FAKE")

ok() { LAB_PASSED=$((LAB_PASSED + 1)); echo "ok      $LAB_NAME: $1"; }
failed() {
	LAB_FAILED=$((LAB_FAILED + 1)); echo "FAILED  $LAB_NAME: $1"
	[ -z "$2" ] || printf '%s\n' "$2" | sed 's/^/        /'
}
skipped() { LAB_SKIPPED=$((LAB_SKIPPED + 1)); echo "skipped $LAB_NAME: $1: $2"; }

# status_is WANT NAME COMMAND...: the exit status; output in $out.
status_is() {
	local want=$1 name=$2 got
	shift 2
	out=$("$@" 2>&1 </dev/null); got=$?
	if [ "$got" -eq "$want" ]; then ok "$name"; else failed "$name" "status $got, expected $want: $out"; fi
}
# says TEXT NAME: the last output has TEXT.
says() { if [[ $out == *"$1"* ]]; then ok "$2"; else failed "$2" "no '$1' in: $out"; fi; }
# is A B NAME
is() { if [ "$1" = "$2" ]; then ok "$3"; else failed "$3" "'$1' is not '$2'"; fi; }

# team_pids TEAM [ROLE]: living processes by the name ps shows, of this lab: they
# hold the team's log open, which lies in the lab's folder. Who is not root cannot see that of
# a process in its cell: then all of that name and user count.
team_pids() {
	local pid fds
	ps -eo pid=,stat=,args= | awk -v team="$1" -v role="${2:-[a-z]+}" \
		'$2 !~ /^Z/ && $3 == "muster:" && $4 ~ "^" role "$" && ($5 == team || index($5, team "/") == 1) { print $1 }' |
		while read -r pid; do
			if fds=$(ls -l "/proc/$pid/fd" 2>/dev/null); then grep -qF "$LAB_DIR/" <<<"$fds" && echo "$pid"
			elif [ "$(ps -o uid= -p "$pid" | tr -d ' ')" = "$(id -u)" ]; then echo "$pid"; fi
		done
	return 0
}
# What of TEAM is left: processes, sockets, files of the runtime folder.
left_of() {
	team_pids "$1"
	[ ! -e "$XDG_RUNTIME_DIR/muster/$1.lock" ] || echo "$XDG_RUNTIME_DIR/muster/$1.lock"
	[ ! -e "$XDG_RUNTIME_DIR/muster/$1" ] || find "$XDG_RUNTIME_DIR/muster/$1" 2>/dev/null
}
# nothing_left TEAM NAME [BOUND in tenths of a second]
nothing_left() {
	local n=${3:-20} left
	while left=$(left_of "$1"); [ -n "$left" ] && [ "$n" -gt 0 ]; do n=$((n - 1)); read -rt 0.1 <> <(:); done
	if [ -z "$left" ]; then ok "$2"; else failed "$2" "left: $left"; fi
}
# host_has THING...: true where tests/host_probe.h's things are there; else $why tells what is not.
host_has() {
	why=$("$O/host-probe" "$@") && return
	why=$(grep -v ' yes$' <<<"$why" | head -n 1)
	return 1
}
pause() { read -rt "$1" <> <(:); }

# A lab of real guests ends here, skipped, where their image is not built.
need_image() {
	"$MUSTER" images --format json | python3 -c '
import json, sys
sys.exit(not any(i["name"] == sys.argv[1] and i["state"] == "built" for i in json.load(sys.stdin)))' "$1" && return
	skipped "everything" "image '$1' is not built (muster images build $1)"
	lab_end
}

# least_memory_boots IMAGE MIB: that is the least memory which check takes, and a VM boots with it.
least_memory_boots() {
	printf 'team: least\nvms: {a: {image: %s, memory: %dMiB, ready: {timeout: 300s}}}\n' "$1" "$2" >"$LAB_DIR/least.yaml"
	status_is 2 "less memory than $1 needs" "$MUSTER" check --set "vms.a.memory=$(($2 - 1))MiB" "$LAB_DIR/least.yaml"
	says "needs $2 MiB" "what $1 needs"
	status_is 0 "$1 boots with its least memory" "$MUSTER" up "$LAB_DIR/least.yaml"
	status_is 0 "and runs commands" "$MUSTER" exec least/a -- true
	"$MUSTER" down --purge least >/dev/null
}

lab_end() {
	"$MUSTER" down --all 2>/dev/null
	[ -z "$MUSTER_TALLY" ] || echo "$LAB_PASSED $LAB_FAILED $LAB_SKIPPED" >>"$MUSTER_TALLY"
	if [ "$LAB_FAILED" -eq 0 ]; then rm -rf "$LAB_DIR"; else echo "        files: $LAB_DIR"; fi
	[ -n "$MUSTER_TALLY" ] || echo "$LAB_PASSED passed, $LAB_FAILED failed, $LAB_SKIPPED skipped"
	[ "$LAB_FAILED" -eq 0 ]
	exit
}
