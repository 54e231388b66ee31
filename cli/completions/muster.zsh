#compdef muster
# zsh completion for muster(1): asks `muster complete`, which knows commands, options, teams,
# VMs, NICs, images and the paths of guests.
_muster() {
	local reply
	local -a whole part
	for reply in ${(f)"$(muster complete "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
		case $reply in
		:files) _files ;;
		*[/:=]) part+=($reply) ;;
		*) whole+=($reply) ;;
		esac
	done
	compadd -a whole
	compadd -S '' -a part
}
_muster "$@"
