/* cli/raw_terminal.c: the terminal's mode, set and restored: by a call, at exit, and before the death
 * of a signal that nobody else handles.
 *
 * Used by: cmd_console.c, guest_exec.c. */
#include "cli/raw_terminal.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios cooked;
static bool is_raw;

void raw_terminal_leave(void)
{
	if (is_raw)
		(void)tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
	is_raw = false;
}

/* Restores, and dies of the signal. */
static void on_signal(int signo)
{
	raw_terminal_leave();
	(void)signal(signo, SIG_DFL);
	(void)raise(signo);
}

void raw_terminal_enter(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction old, act = { .sa_handler = on_signal };
	struct termios raw;

	if (is_raw || !isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &cooked) < 0)
		return;
	raw = cooked;
	cfmakeraw(&raw);
	is_raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
	(void)atexit(raw_terminal_leave);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &act, NULL);
}
