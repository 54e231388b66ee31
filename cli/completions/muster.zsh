#compdef muster
# zsh completion for muster(1)
_muster_team() { local -a t; t=(${(f)"$(muster ls 2>/dev/null | awk 'NR > 1 { print $1 }')"}); compadd -a t }
_muster_vm() {
	local -a v; local t
	for t in ${(f)"$(muster ls 2>/dev/null | awk 'NR > 1 { print $1 }')"}; do
		v+=(${(f)"$(muster status $t --format json 2>/dev/null | tr -d ' \n' | grep -o '"name":"[^"]*","state"' | sed "s|\"name\":\"\([^\"]*\)\".*|$t/\1|")"})
	done
	compadd -a v
}
_muster() {
	if (( CURRENT == 2 )); then
		local -a c
		c=(${(f)"$(muster --help 2>/dev/null | awk '/^  [a-z]/ { n = $1; $1 = ""; print n ":" substr($0, 2) }')"})
		_describe command c
		return
	fi
	case $words[2] in
	check) _arguments '-v[print the plan]' '*--set[override a value]:key=value' '--format[output]:(json text)' '*:file:_files -g "*.y(a|)ml"' ;;
	up) _arguments '--name[another name]:name' '--foreground' '--keep' '*--set[override a value]:key=value' '--format[output]:(json text)' '*:file:_files -g "*.y(a|)ml"' ;;
	test) _arguments '--keep' '--junit[report]:file:_files' '--tap' '--name[another name]:name' '*--set[override a value]:key=value' '*:file:_files -g "*.y(a|)ml"' ;;
	console|exec) _muster_vm ;;
	pause|resume|stop|start|restart) _muster_team; _muster_vm ;;
	cp) _files; _muster_vm ;;
	images) compadd build tiny ;;
	link) (( CURRENT == 5 )) && compadd show set reset up down flap || _muster_team ;;
	*) _muster_team ;;
	esac
}
_muster "$@"
