/* fabric/fabric_file.c: a fabric's saved state, to and from a descriptor.
 *
 * A file is read into memory whole before anything of it is believed, since whoever has it open may change it.
 * What is wrong with its form (length, checksums) is found before anything changes. What is wrong with its
 * contents is found section by section, when elements and rings before it are loaded: then no way leads back.
 *
 * Used by: fabric/requests.c.   Depends on: core/state.h, fabric/fabric_save.c. */
#include "core/bytes.h"
#include "core/state.h"
#include "fabric/fabric.h"
#include "fabric/services.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	READ_SIZE = 65536,
	/* Beside frames: counters, shapes and streams of a port's links; what waits in its rings. */
	PORT_STATE_MAX = 2 * RING_DATA_SIZE + 65536,
	NETWORK_STATE_MAX = 1 << 20, /* a full table of stations */
};

uint64_t fabric_state_max(const struct fabric_plan *plan)
{
	uint64_t n = plan->total_bytes + plan->n_ports * (uint64_t)PORT_STATE_MAX +
		     (plan->n_networks + 1) * (uint64_t)NETWORK_STATE_MAX;

	for (size_t i = 0; i < plan->n_ports; i++)
		if (plan->ports[i].kind == FABRIC_PORT_SERVICE)
			n += services_state_max(plan->ports[i].service);
	return n;
}

/* Any other kind of descriptor may have the fabric wait for ever, or does something when it is written to. */
static int check_fd(int fd, char **ret_why)
{
	struct stat st;

	/* Not the C library's function: it makes newfstatat(2) of it, which takes paths. */
	/* SYSCALLS(fabric): fstat */
	if (syscall(SYS_fstat, fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode)))
		return 0;
	*ret_why = str_dup("the descriptor is neither a file nor a pipe");
	return -EMEDIUMTYPE;
}

static int check(const struct fabric *f, int fd, char **ret_why)
{
	if (f->is_paused)
		return check_fd(fd, ret_why);
	*ret_why = str_dup("the fabric is not paused");
	return -EBUSY;
}

int fabric_save_to(struct fabric *f, int fd, nsec_t real, uint64_t *ret_bytes, char **ret_why)
{
	struct state *s = NULL;
	int r = check(f, fd, ret_why);

	if (r < 0)
		return r;
	r = state_save_new(fd, &s);
	if (r < 0) {
		*ret_why = str_dup(strerror(-r));
		return r;
	}
	fabric_state(f, s, real);
	r = state_finish(s);
	if (r < 0)
		*ret_why = str_printf("the state cannot be written: %s", state_why(s));
	else
		*ret_bytes = state_len(s);
	(void)state_free(s);
	return r;
}

/* Returns 0; -EFBIG when there is more than @max; -errno. */
static int read_all(int fd, uint64_t max, struct bytes *b)
{
	uint8_t data[READ_SIZE];

	for (;;) {
		/* SYSCALLS(fabric): read */
		ssize_t n = read(fd, data, sizeof data);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if ((uint64_t)n > max - b->len)
			return -EFBIG;
		bytes_append(b, data, (size_t)n);
	}
}

int fabric_load_from(struct fabric *f, int fd, nsec_t real, bool *ret_is_lost, char **ret_why)
{
	CLEANUP(bytes) struct bytes b = { 0 };
	CLEANUP(free) char *why = NULL;
	struct state *s = NULL;
	int r = check(f, fd, ret_why);

	if (r < 0)
		return r;
	r = read_all(fd, fabric_state_max(f->plan), &b);
	if (r < 0) {
		*ret_why = str_printf("the saved state cannot be read: %s", strerror(-r));
		return r;
	}
	r = state_load_new(b.data, b.len, &s, &why);
	if (r == 0) {
		fabric_state(f, s, real);
		r = state_finish(s);
		if (r < 0) {
			why = str_dup(state_why(s));
			*ret_is_lost = true;
		}
		(void)state_free(s);
	}
	if (r < 0)
		*ret_why = str_printf("the saved state is refused: %s", why);
	return r;
}
