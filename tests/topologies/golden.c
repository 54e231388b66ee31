/* tests/topologies/golden.c: loads a team file as `muster check -v` does, with --untrusted when
 * its name says so. Files called fail-service-* and good-service-* may use keys that are not supported yet. */
#include "tests/topologies/golden.h"

#include "core/bytes.h"
#include "topologies/team.h"

#include <string.h>

static enum image_state image_state(void *ctx, const char *name)
{
	(void)ctx;
	return !strcmp(name, "tiny") ? IMAGE_BUILT : !strcmp(name, "debian") ? IMAGE_BUILDABLE : IMAGE_UNKNOWN;
}

static uint64_t image_memory(void *ctx, const char *name)
{
	(void)ctx;
	return (!strcmp(name, "debian") ? 96ull : 80ull) << 20;
}

char *golden_text(const char *path, int *ret_status)
{
	const struct team_env env = { .untrusted = strstr(path, "-untrusted") != NULL,
				      .take_unsupported =
					      strstr(path, "/fail-service-") || strstr(path, "/good-service-"),
				      .image_state = image_state,
				      .image_memory = image_memory };
	struct bytes out = { 0 };
	struct team *team = NULL;
	struct diags diags;

	*ret_status = team_load(path, NULL, 0, NULL, &env, &team, &diags);
	for (size_t i = 0; i < diags.n; i++)
		bytes_append_str(&out, diags.list[i].text);
	diags_done(&diags);
	if (team) {
		CLEANUP(free) char *plan = team_plan_text(team);

		bytes_append_str(&out, plan);
	}
	team = team_free(team);
	return out.data ? (char *)out.data : str_dup("");
}
