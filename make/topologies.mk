# make/topologies.mk: the schema's test, and the team file's fuzzer.

# Ends with its counts; skips, saying so, where python3-jsonschema is missing.
.PHONY: check-schema
check-schema:
	@tests/topologies/part-schema

# FUZZ_SECONDS of libFuzzer with the tests' files as corpus; needs clang.
FUZZ_SECONDS ?= 60
.PHONY: fuzz-team
fuzz-team:
	@mkdir -p $(O)/fuzz/team
	clang $(filter-out -fstack-protector-strong -DMUSTER_SAN,$(ALL_CFLAGS)) -fsanitize=fuzzer,address,undefined \
		-o $(O)/fuzz/fuzz_team tests/fuzz/fuzz_team.c $(SRC_topologies) core/addr.c core/base64.c core/bytes.c $(PKG_LIBS)
	$(O)/fuzz/fuzz_team -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 \
		-artifact_prefix=$(O)/fuzz/ $(O)/fuzz/team tests/topologies
