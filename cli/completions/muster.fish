# fish completion for muster(1)
function __muster_teams; muster ls 2>/dev/null | awk 'NR > 1 { print $1 }'; end
function __muster_commands; muster --help 2>/dev/null | awk '/^  [a-z]/ { n = $1; $1 = ""; print n "\t" substr($0, 2) }'; end
complete -c muster -n __fish_use_subcommand -f -a '(__muster_commands)'
complete -c muster -n '__fish_seen_subcommand_from down status console exec pause resume stop start restart link events' -f -a '(__muster_teams)'
complete -c muster -n '__fish_seen_subcommand_from check' -s v -d 'print the plan'
complete -c muster -n '__fish_seen_subcommand_from up test' -l keep -d 'leave the team up'
complete -c muster -n '__fish_seen_subcommand_from up test' -l name -x -d 'another name'
complete -c muster -n '__fish_seen_subcommand_from up test check' -l set -x -d 'override a value'
complete -c muster -n '__fish_seen_subcommand_from up' -l foreground -d 'stay'
complete -c muster -n '__fish_seen_subcommand_from test' -l junit -r -d 'JUnit report'
complete -c muster -n '__fish_seen_subcommand_from test' -l tap -d 'print TAP'
complete -c muster -n '__fish_seen_subcommand_from down' -l all -d 'every team'
complete -c muster -n '__fish_seen_subcommand_from console' -l log -d 'print the log'
complete -c muster -n '__fish_seen_subcommand_from events' -l follow -d 'go on'
complete -c muster -n '__fish_seen_subcommand_from stop restart' -l now -d 'without asking the guest'
complete -c muster -n '__fish_seen_subcommand_from link' -l dir -x -a 'up down' -d 'one direction'
complete -c muster -l help -d 'help'
complete -c muster -l format -x -a 'json text' -d 'output'
