/* tests/fuzz/fuzz_team.c: any bytes as a team file: no crash, and a report or a plan.
 *
 * The first line is given as --set when it begins with '='. Nothing of the host
 * is read: team_load_buffer() looks at no other file. */
#include "core/bytes.h"
#include "topologies/load.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(free) char *set = NULL;
	const char *text = size ? (const char *)data : "";
	struct team *team = NULL;
	struct diags diags;
	/* Also the keys that nothing serves yet; half of the inputs as a stranger's. */
	const struct team_env env = { .take_unsupported = true, .untrusted = size % 2 };
	size_t n_sets = 0;
	int r;

	if (size && *text == '=') {
		const char *nl = memchr(text, '\n', size);
		size_t len = nl ? (size_t)(nl - text) : size;

		set = str_printf("%.*s", (int)len - 1, text + 1);
		n_sets = 1;
		text += len;
		size -= len;
	}
	r = team_load_buffer("fuzz", text, size, (const char *const *)&set, n_sets, &env, &team, &diags);
	if ((r == 0) != (team != NULL) || (r && !diags.n) || diags.n > LOAD_MESSAGES_MAX)
		abort();
	if (team) {
		CLEANUP(free) char *plan = team_plan_text(team);

		json_decref(team_plan_json(team));
	}
	diags_done(&diags);
	team = team_free(team);
	return 0;
}
