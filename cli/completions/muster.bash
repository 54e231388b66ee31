# bash completion for muster(1): asks `muster complete`, which knows commands, options, teams,
# VMs, NICs, images and the paths of guests.
_muster() {
	local line=${COMP_LINE:0:COMP_POINT} cur reply word
	local -a words
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	cur=${words[-1]}
	COMPREPLY=()
	while IFS= read -r reply; do
		if [[ $reply == :files ]]; then
			while IFS= read -r word; do
				[[ -d $word ]] && word+=/
				COMPREPLY+=("$word")
			done < <(compgen -f -- "$cur")
		else
			# The shell's own word begins behind the last colon.
			[[ $cur == *:* && $COMP_WORDBREAKS == *:* ]] && reply=${reply#"${cur%:*}:"}
			COMPREPLY+=("$reply")
		fi
	done < <(muster complete "${words[@]:1}" 2>/dev/null)
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} != *[/:=] ]]; then COMPREPLY[0]+=" "; fi
}
complete -o nospace -F _muster muster
