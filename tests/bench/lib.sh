# tests/bench/lib.sh: how figures are taken and kept. Sourced by the benches.
#
# A row is printed and kept in docs/figures.md, where it takes the place of an older row of the
# same name; each row has its date. What a figure is held against is in tests/bench/bounds. bench_end gives the exit status: 0 when every must is met.

RUNS=${RUNS:-5}
bench_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bench_bounds=$bench_top/tests/bench/bounds
bench_rows=$(mktemp)
bench_status=0

median() { sort -g | awk '{v[NR] = $1} END {if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
seconds() { # seconds COMMAND...: wall time, output dropped; fails when the command does
	local t0=$EPOCHREALTIME
	"$@" >"$bench_rows.out" 2>&1 </dev/null || { echo "run-bench: $* failed:" >&2; tail -n 5 "$bench_rows.out" >&2; return 1; }
	awk -v a="$t0" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.3f\n", b - a}'
}
# row NAME OURS PEER [COMPARED]: COMPARED (OURS) is the number held against the figure's bounds.
row() {
	local name=$1 ours=$2 peer=$3 value=${4-$2} ratio=- verdict must stretch sense
	read -r sense must stretch < <(awk -F ' [|] ' -v name="$name" '$1 == name {print $2, $3, $4}' "$bench_bounds")
	[ -n "$stretch" ] || { echo "bench: no bounds for '$name' in $bench_bounds" >&2; bench_status=1; return; }
	[ "$peer" = - ] || ratio=$(awk -v a="$ours" -v b="$peer" 'BEGIN {printf "%.2f", a / b}')
	verdict=$(awk -v v="$value" -v m="$must" -v s="$stretch" -v sense="$sense" 'BEGIN {
		met = sense == "<=" ? v <= m : v >= m; far = sense == "<=" ? v <= s : v >= s
		print v == "" ? "FAILED" : far ? "stretch" : met ? "must" : "MISSED"}')
	case $verdict in MISSED|FAILED) bench_status=1 ;; esac
	printf '%-58s ours %-10s peer %-8s ratio %-6s must %s %-6s stretch %-6s %s\n' \
		"$name" "$ours" "$peer" "$ratio" "$sense" "$must" "$stretch" "$verdict"
	printf '| %s | %s | %s | %s | %s %s | %s | %s | %s |\n' "$name" "$ours" "$peer" "$ratio" "$sense" "$must" "$stretch" "$verdict" "$(date -u +%F)" >>"$bench_rows"
}

# rows_of PROGRAM...: a program's "FIGURE|VALUE" lines as rows; others are shown. Its status 77, after a
# line that tells why, is a skip.
rows_of() {
	local out status name v
	out=$("$@"); status=$?
	while IFS='|' read -r name v; do
		if [ -n "$v" ]; then row "$name" "$v" -; elif [ -n "$name" ]; then echo "$name"; fi
	done <<<"$out"
	return $status
}

# A bench whose host lacks something says so and is no failure: these return 77 then.
needs() { # needs COMMAND...
	local c
	for c in "$@"; do
		command -v "$c" >/dev/null || { echo "skipped: $c is missing (make deps-bench)"; return 77; }
	done
}
bench_image=${MUSTER_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/muster}/images/tiny
needs_image() {
	[ -e "$bench_image/vmlinuz" ] || { echo "skipped: the image tiny is not built (muster images build tiny)"; return 77; }
}
# bench_run BENCH...: runs the functions bench_BENCH.
bench_run() {
	local r
	for r in "$@"; do
		"bench_$r"
		case $? in
		0) ;;
		77) printf '%-58s skipped\n' "$r" ;;
		*) printf '%-58s FAILED\n' "$r"; bench_status=1 ;;
		esac
	done
}

# Puts the rows into docs/figures.md, where there are any, and ends with the benches' status.
bench_end() {
	[ -s "$bench_rows" ] || { rm -f "$bench_rows" "$bench_rows".*; exit $bench_status; }
	local file="$bench_top/docs/figures.md" old="$bench_rows.old"
	[ -f "$file" ] && grep '^| ' "$file" | grep -v '^| figure ' >"$old" || : >"$old"
	{
		echo "# Figures"
		echo
		echo "Each row: the median of 3 to 5 runs of its target, the peer in the same run. Written by \`make bench\`,"
		echo "\`make bench-kvm\` and the other \`make bench-…\` targets. Last machine: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores,"
		echo "Linux $(uname -r). Machines are noisy and shared, so the ratio is what counts."
		echo
		echo "| figure | ours | peer | ratio | must | stretch | verdict | date |"
		echo "|---|---|---|---|---|---|---|---|"
		awk -F ' \\| ' 'FILENAME == ARGV[1] {new[$1] = $0; next} $1 in new {print new[$1]; delete new[$1]; next} {print}' \
			"$bench_rows" "$old"
		awk -F ' \\| ' 'FILENAME == ARGV[1] {old[$1]; next} !($1 in old)' "$old" "$bench_rows"
	} >"$file.new" && mv "$file.new" "$file"
	rm -f "$bench_rows" "$bench_rows".*
	exit $bench_status
}
