# The fuzz harness of saved machines. It is of the ordinary build, so SAN=address,undefined
# makes it a sanitized one.
#
#   make fuzz-state N=200000 SEED=7      `make check` runs what FUZZ_BUDGET allows
FUZZ_STATE := $(O)/tests/fuzz/fuzz_state

$(FUZZ_STATE): $(call obj,tests/fuzz/fuzz_state.c tests/fuzz/driver_main.c) $(call lib,vmm cpu core)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)

.PHONY: fuzz-state
fuzz-state: $(FUZZ_STATE)
	@$< -n $(or $(N),200000) -s $(or $(SEED),1)

build-tests: $(FUZZ_STATE)
.PHONY: check-fuzz-state
check-fuzz: check-fuzz-state
check-fuzz-state: $(FUZZ_STATE)
	@tests/run-fuzz $(FUZZ_BUDGET) state $^
