# fish completion for muster(1): asks `muster complete`, which knows commands, options, teams,
# VMs, NICs, images and the paths of guests.
function __muster_complete
	set -l words (commandline -opc) (commandline -ct)
	for reply in (muster complete $words[2..-1] 2>/dev/null)
		if test "$reply" = :files
			__fish_complete_path (commandline -ct)
		else
			echo $reply
		end
	end
end
complete -c muster -f -a '(__muster_complete)'
