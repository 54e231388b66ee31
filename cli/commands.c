/* cli/commands.c: the table of commands. Those without a function are of the
 * contract but not of this version: `muster help -a` lists them, and they are refused. Those without
 * a summary are for completions and not listed. */
#include "cli/commands.h"

#define COMMAND_OUT "  --format json     for programs\n"

const struct command commands[] = {
	{ "check", "FILE [-v] [--untrusted] [--format json] [--set KEY=VALUE]...", "Parse, check and plan a team file",
	  "  -v                print the plan, and what the file touches on the host\n"
	  "  --untrusted       the file is a stranger's: it reads nothing outside its folder\n"
	  "  --set KEY=VALUE   override a value (vms.client.memory=256MiB)\n" COMMAND_OUT, cmd_check, { WORD_FILES } },
	{ "up", "FILE [--name N] [--foreground] [--keep] [--replace] [--untrusted] [--set KEY=VALUE]... [--format json]",
	  "Launch a team; returns when every VM is ready",
	  "  --name N          another name for the team\n"
	  "  --foreground      stay; the team ends with this command\n"
	  "  --keep            what is there stays when something fails\n"
	  "  --replace         a team of that name which is up is torn down first\n"
	  "  --untrusted       the file is a stranger's: it reads nothing outside its folder\n"
	  "  --set KEY=VALUE   override a value (vms.client.memory=256MiB)\n"
	  "  --format json     events as JSON lines instead of progress\n", cmd_up, { WORD_FILES } },
	{ "down", "TEAM | --all [--purge]", "Tear a team down; it is no error when it is not up",
	  "  --all             every team of this user that is up\n"
	  "  --purge           remove all of it: logs, events, consoles, state\n", cmd_down, { WORD_TEAM } },
	{ "ls", "[--format json]", "List the teams that are up", COMMAND_OUT, cmd_ls, { WORD_NOTHING } },
	{ "status", "TEAM [-v] [--format json]", "VMs, NICs, addresses, engines, state, uptime, memory",
	  COMMAND_OUT, cmd_status, { WORD_TEAM } },
	{ "console", "TEAM/VM [--log]", "Attach to a VM's serial console; Ctrl-] detaches",
	  "  --log             print what it has said so far\n", cmd_console, { WORD_VM } },
	{ "exec", "[-i] [-t] TEAM[/VM] -- CMD...", "Run a command in a guest, or in all of a team",
	  "  -i                pass stdin on\n"
	  "  -t                a terminal for the command; with -i the keys go to the guest\n"
	  "\nIts stdout, stderr and exit status are the command's own. On several VMs each line\n"
	  "stands behind the VM's name. exec's own failures: 125; not executable: 126; not found: 127.\n",
	  cmd_exec, { WORD_TEAM_OR_VM } },
	{ "cp", "[-r] SRC DST", "Copy files; one side or both are TEAM/VM:PATH, - is stdin or stdout",
	  "  -r                folders too, with their links, modes and times\n",
	  cmd_cp, { WORD_GUEST_PATH, WORD_GUEST_PATH } },
	{ "test", "FILE|TEAM [--only TEST] [--timeout T] [--junit OUT] [--tap] [--keep] [--untrusted] [--name N] [--set KEY=VALUE]...",
	  "Bring a team up, run its tests, tear it down",
	  "  --only TEST       only the test of that name\n"
	  "  --timeout T       when T is over, what runs and what would follow fails\n"
	  "  --keep            leave the team up\n"
	  "  --untrusted       the file is a stranger's: it reads nothing outside its folder\n"
	  "  --junit OUT       write a JUnit report\n"
	  "  --tap             print TAP instead of the table\n"
	  "  --name N          another name for the team\n"
	  "  --set KEY=VALUE   override a value\n"
	  "\nOf a team that is up the tests of its file, as it is now, are run; it stays up. An argument\n"
	  "with '/' or ending in '.yaml' is a FILE.\n", cmd_test, { WORD_FILE_OR_TEAM } },
	{ "pause", "TEAM[/VM]", "Freeze a team, or one VM", NULL, cmd_pause, { WORD_TEAM_OR_VM } },
	{ "resume", "[--sync] TEAM[/VM]", "Let a paused team, or VM, go on",
	  "  --sync            set the guests' wall clocks to the host's time\n", cmd_resume, { WORD_TEAM_OR_VM } },
	{ "stop", "[--now] TEAM[/VM]", "Shut VMs down; the team stays",
	  "  --now             without asking the guest\n", cmd_stop, { WORD_TEAM_OR_VM } },
	{ "start", "TEAM[/VM]", "Start VMs that are stopped", NULL, cmd_start, { WORD_TEAM_OR_VM } },
	{ "restart", "[--now] TEAM[/VM]", "Stop and start VMs",
	  "  --now             without asking the guest\n", cmd_restart, { WORD_TEAM_OR_VM } },
	{ "link", "TEAM NET|VM.NIC [show | set KEY=VALUE... | reset | up | down | flap FOR] [--dir up|down]",
	  "Show or change a link while it carries traffic",
	  "  --dir up|down     one direction only (up: from the VM)\n" COMMAND_OUT,
	  cmd_link, { WORD_TEAM, WORD_LINK, WORD_LINK_ACTION } },
	{ "events", "TEAM [--follow]", "What happened to a team, as JSON lines",
	  "  --follow          go on while the team is up\n", cmd_events, { WORD_TEAM } },
	{ "logs", "TEAM[/VM] [--follow]", "What a team and its VMs' consoles have said",
	  "  -f, --follow      go on while the team is up\n", cmd_logs, { WORD_TEAM_OR_VM } },
	{ "init", "[NAME | --list [--format json]]", "A commented team file to start from",
	  "  --list            the examples that can be taken\n" COMMAND_OUT
	  "\nWithout a name ./team.yaml is made. The name of an example takes that, another name is the\n"
	  "team's: both into a new folder so called.\n", cmd_init, { WORD_EXAMPLE } },
	{ "purge", "[--yes] [--format json]", "Remove what teams that are down left, and caches",
	  "  --yes             without asking\n"
	  "  --format json     what would be removed, for programs\n"
	  "\nImages stay: 'muster images remove' is for them.\n", cmd_purge, { WORD_NOTHING } },
	{ "images", "[list | build NAME... [--if-missing] | remove NAME... | info NAME...] [--format json]",
	  "List, build or remove guest images",
	  "  --if-missing      build: only when it is not there yet, or old\n" COMMAND_OUT,
	  cmd_images, { WORD_IMAGE_ACTION, WORD_IMAGE, WORD_IMAGE } },
	{ "presets", "[--format json]", "The link presets, with their sources", COMMAND_OUT,
	  cmd_presets, { WORD_NOTHING } },
	{ "doctor", "[--format json]", "What this host can do, and what to do about each no",
	  COMMAND_OUT, cmd_doctor, { WORD_NOTHING } },
	{ "complete", "WORD...", NULL, NULL, cmd_complete, { WORD_NOTHING } },
	{ "capture", "TEAM NET|VM.NIC... [-w FILE|-] [-f BPF]", "Capture traffic as pcapng", NULL, NULL, { WORD_NOTHING } },
	{ "leases", "TEAM [NET]", "DHCP leases", NULL, NULL, { WORD_NOTHING } },
	{ "nat", "TEAM [NET]", "NAT flows and counters", NULL, NULL, { WORD_NOTHING } },
	{ "forward", "TEAM [list | add NET tcp:8080=server:80 | remove NET tcp:8080]",
	  "Port forwards, while a team runs", NULL, NULL, { WORD_NOTHING } },
	{ "snapshot", "TEAM NAME [-m TEXT]", "Save the whole team at one instant", NULL, NULL, { WORD_NOTHING } },
	{ "snapshots", "TEAM [list | remove NAME]", "A team's snapshots", NULL, NULL, { WORD_NOTHING } },
	{ "restore", "TEAM NAME", "Take a team back to a snapshot", NULL, NULL, { WORD_NOTHING } },
	{ "fork", "TEAM NAME|--now NEW...", "New teams from a snapshot", NULL, NULL, { WORD_NOTHING } },
	{ "suspend", "TEAM", "Put a team on disk", NULL, NULL, { WORD_NOTHING } },
	{ "export", "TEAM FILE", "A team with its images and snapshots as one file", NULL, NULL, { WORD_NOTHING } },
	{ "import", "FILE [--name N]", "Take in what export wrote", NULL, NULL, { WORD_NOTHING } },
	{ "move", "TEAM --to ssh:HOST|unix:PATH", "A live team to another Muster", NULL, NULL, { WORD_NOTHING } },
	{ "disk", "info|create|convert|compact|check|mount FILE...", "Disk images", NULL, NULL, { WORD_NOTHING } },
	{ "screen", "TEAM/VM [-o FILE.png]", "What a VGA screen shows", NULL, NULL, { WORD_NOTHING } },
	{ "keys", "TEAM/VM TEXT", "Type on a VM's keyboard", NULL, NULL, { WORD_NOTHING } },
	{ "ssh", "TEAM/VM [ARGS]", "ssh into a VM", NULL, NULL, { WORD_NOTHING } },
	{ "proxy", "TEAM [--port P]", "A SOCKS5 and HTTP proxy into the team", NULL, NULL, { WORD_NOTHING } },
	{ "attach", "TEAM NET NAME tap=IF|netns=NS|qemu=PATH", "Add a station, while a team runs", NULL, NULL, { WORD_NOTHING } },
	{ "detach", "TEAM NET.NAME", "Take a station away", NULL, NULL, { WORD_NOTHING } },
	{ "graph", "FILE|TEAM [--format svg|dot|mermaid|ascii]", "The picture of a team", NULL, NULL, { WORD_NOTHING } },
	{ "serve", "", "The web interface", NULL, NULL, { WORD_NOTHING } },
};
const size_t n_commands = sizeof commands / sizeof *commands;
