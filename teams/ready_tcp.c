/* teams/ready_tcp.c: asks a guest whether a port accepts connections.
 *
 * The host has no way into the team's networks, so the guest is asked. Its kernel's table of sockets says what
 * listens, and a socket that listens accepts. That needs no program but grep, connects to nothing, and
 * wakes no server.
 *
 * Used by: ready.c.   Sources: proc_pid_net(5), /proc/net/tcp: 32-bit words in the processor's byte order. */
#include "teams/ready_tcp.h"

#include "core/bytes.h"

/* Appends the address as the table has it. */
static void put_words(struct bytes *out, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i += 4)
		for (size_t k = 4; k-- > 0;)
			bytes_printf(out, "%02X", bytes[i + k]);
}

/* The first address of a VM's NICs, or NULL. */
static const struct ip_addr *first_address(const struct team_vm *vm)
{
	for (size_t i = 0; i < vm->n_nics; i++)
		if (vm->nics[i].n_addresses > 0)
			return &vm->nics[i].addresses[0];
	return NULL;
}

char *ready_tcp_line(const struct team_vm *vm)
{
	const struct ip_addr *first = first_address(vm);
	struct bytes line = { 0 };

	if (!first) {
		bytes_printf(&line,
			     "grep -hE '^ *[0-9]+: [0-9A-F]+:%04X [0-9A-F]+:0000 0A ' /proc/net/tcp /proc/net/tcp6 2>/dev/null |"
			     " grep -qvE ': ([0-9A-F]{6}7F|0{24}01000000):'",
			     vm->ready_tcp);
	} else {
		bytes_append_str(&line, "grep -qE '^ *[0-9]+: (0{8}|0{32}");
		if (first->family == IP_V4) {
			bytes_append_str(&line, "|(0{16}FFFF0000)?");
			put_words(&line, first->b, 4);
		} else {
			bytes_append_str(&line, "|");
			put_words(&line, first->b, 16);
		}
		bytes_printf(&line, "):%04X [0-9A-F]+:0000 0A ' /proc/net/tcp /proc/net/tcp6 2>/dev/null", vm->ready_tcp);
	}
	bytes_printf(&line, " || { echo 'nothing listens on port %u' >&2; exit 1; }", vm->ready_tcp);
	return (char *)line.data;
}
