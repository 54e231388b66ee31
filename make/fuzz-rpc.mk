# The fuzz harness of control connections: core/control, core/rpc and the tables of verbs. It is of the
# ordinary build, so SAN=address,undefined makes it a sanitized one.
#
#   make fuzz-rpc N=200000 SEED=7      `make check` runs what FUZZ_BUDGET allows
FUZZ_RPC := $(O)/tests/fuzz/fuzz_rpc

$(FUZZ_RPC): $(call obj,tests/fuzz/fuzz_rpc.c tests/fuzz/driver_main.c) $(call lib,$(NEEDS_teams))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)

.PHONY: fuzz-rpc
fuzz: fuzz-rpc
fuzz-rpc: $(FUZZ_RPC)
	@$< -n $(or $(N),200000) -s $(or $(SEED),1)

build-tests: $(FUZZ_RPC)
.PHONY: check-fuzz-rpc
check-fuzz: check-fuzz-rpc
check-fuzz-rpc: $(FUZZ_RPC)
	@tests/run-fuzz $(FUZZ_BUDGET) rpc $^
