# tests/bench/lib.sh: how figures are taken and kept. Sourced by the benches.
#
# A row is printed and kept in docs/figures.md, where it takes the place of an older row of the
# same name; each row has its date. bench_end gives the exit status: 0 when every must is met.

RUNS=${RUNS:-5}
bench_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bench_rows=$(mktemp)
bench_status=0

median() { sort -g | awk '{v[NR] = $1} END {if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'; }
seconds() { # seconds COMMAND...: wall time, output dropped; fails when the command does
	local t0=$EPOCHREALTIME
	"$@" >"$bench_rows.out" 2>&1 </dev/null || { echo "run-bench: $* failed:" >&2; tail -n 5 "$bench_rows.out" >&2; return 1; }
	awk -v a="$t0" -v b="$EPOCHREALTIME" 'BEGIN {printf "%.3f\n", b - a}'
}
# row NAME OURS PEER MUST STRETCH COMPARED SENSE: COMPARED is the number held against MUST and STRETCH;
# SENSE is "<=" or ">=".
row() {
	local name=$1 ours=$2 peer=$3 must=$4 stretch=$5 value=$6 sense=$7 ratio=- verdict
	[ "$peer" = - ] || ratio=$(awk -v a="$ours" -v b="$peer" 'BEGIN {printf "%.2f", a / b}')
	verdict=$(awk -v v="$value" -v m="$must" -v s="$stretch" -v sense="$sense" 'BEGIN {
		met = sense == "<=" ? v <= m : v >= m; far = sense == "<=" ? v <= s : v >= s
		print v == "" ? "FAILED" : far ? "stretch" : met ? "must" : "MISSED"}')
	case $verdict in MISSED|FAILED) bench_status=1 ;; esac
	printf '%-58s ours %-10s peer %-8s ratio %-6s must %s %-6s stretch %-6s %s\n' \
		"$name" "$ours" "$peer" "$ratio" "$sense" "$must" "$stretch" "$verdict"
	printf '| %s | %s | %s | %s | %s %s | %s | %s | %s |\n' "$name" "$ours" "$peer" "$ratio" "$sense" "$must" "$stretch" "$verdict" "$(date -u +%F)" >>"$bench_rows"
}

# Puts the rows into docs/figures.md and ends with the benches' status.
bench_end() {
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
