/* cli/raw_terminal.h: stdin's terminal without line editing, and back. */
#ifndef MUSTER_CLI_RAW_TERMINAL_H
#define MUSTER_CLI_RAW_TERMINAL_H

/* Every key goes to whoever reads stdin, until raw_terminal_leave() or this process' exit.
 * Nothing when stdin is no terminal. */
void raw_terminal_enter(void);
/* As it was before. Nothing when it was not entered. */
void raw_terminal_leave(void);

#endif
