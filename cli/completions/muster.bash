# bash completion for muster(1)
_muster_teams() { muster ls 2>/dev/null | awk 'NR > 1 { print $1 }'; }
_muster_vms() {
	local t
	for t in $(_muster_teams); do
		muster status "$t" --format json 2>/dev/null | tr -d ' \n' |
			grep -o '"name":"[^"]*","state"' | sed "s|\"name\":\"\([^\"]*\)\".*|$t/\1|"
	done
}
_muster() {
	local cur=${COMP_WORDS[COMP_CWORD]} cmd=${COMP_WORDS[1]}
	local commands="check up down ls status console exec cp test pause resume stop start restart link events images presets doctor"
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W "$commands --help --version" -- "$cur"))
		return
	fi
	case $cmd:$cur in
	check:-*) COMPREPLY=($(compgen -W "-v --set --format --help" -- "$cur")) ;;
	up:-*) COMPREPLY=($(compgen -W "--name --foreground --keep --set --format --help" -- "$cur")) ;;
	test:-*) COMPREPLY=($(compgen -W "--name --keep --junit --tap --set --help" -- "$cur")) ;;
	down:-*) COMPREPLY=($(compgen -W "--all --help" -- "$cur")) ;;
	console:-*) COMPREPLY=($(compgen -W "--log --help" -- "$cur")) ;;
	events:-*) COMPREPLY=($(compgen -W "--follow --help" -- "$cur")) ;;
	link:-*) COMPREPLY=($(compgen -W "--dir --format --help" -- "$cur")) ;;
	stop:-* | restart:-*) COMPREPLY=($(compgen -W "--now --help" -- "$cur")) ;;
	*:-*) COMPREPLY=($(compgen -W "--format --help" -- "$cur")) ;;
	check:* | up:* | test:* | cp:*) COMPREPLY=($(compgen -f -- "$cur")) ;;
	console:* | exec:*) COMPREPLY=($(compgen -W "$(_muster_vms)" -- "$cur")) ;;
	pause:* | resume:* | stop:* | start:* | restart:*)
		COMPREPLY=($(compgen -W "$(_muster_teams) $(_muster_vms)" -- "$cur")) ;;
	images:*) COMPREPLY=($(compgen -W "build tiny" -- "$cur")) ;;
	link:*) if [ "$COMP_CWORD" -eq 4 ]; then
			COMPREPLY=($(compgen -W "show set reset up down flap" -- "$cur"))
		else
			COMPREPLY=($(compgen -W "$(_muster_teams)" -- "$cur"))
		fi ;;
	*) COMPREPLY=($(compgen -W "$(_muster_teams)" -- "$cur")) ;;
	esac
}
complete -o filenames -F _muster muster
