# tests/lab/complete.zsh FOLDER LINE...: what an interactive zsh has on its command line after each LINE and Tab: a row
# of the line, ended by "|", and of all that its terminal showed, which has the choices when there are several.
# FOLDER has the completion as _muster. Ends with 1 when the shell does not answer.
zmodload zsh/zpty zsh/zselect
folder=$1; shift
answer=$(mktemp)
trap 'rm -f $answer' EXIT

zpty z 'TERM=vt100 COLUMNS=200 zsh -f -i'
# Reads on, so that the shell need not wait for its terminal.
wait_for_answer() {
	local i part
	shown=
	for i in {1..300}; do
		while zpty -rt z part; do shown+=$part; done
		[[ -s $answer ]] && return
		zselect -t 10
	done
	print -ru2 "zsh does not answer: $shown"
	exit 1
}
setup=(
	"fpath=(${(q)folder} \$fpath); autoload -Uz compinit; compinit -u -D; PS1=; unsetopt beep list_ambiguous; LISTMAX=0"
	"tell() { print -r -- \"\$BUFFER|\" >${(q)answer}; BUFFER= }; zle -N tell; bindkey '^X' tell"
	"print ready >${(q)answer}"
)
for line in $setup; do zpty -w z $line; done
wait_for_answer
for line; do
	: >$answer
	zpty -wn z $line$'\t'$'\x18'
	wait_for_answer
	print -r -- "$(<$answer) $(tr '\r\n' '  ' <<<$shown | tr -cd ' -~')"
done
zpty -d z
