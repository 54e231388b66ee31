# The fuzz harness of saved fabrics, always built with sanitizers.
#
#   make fuzz-fabric-state N=200000 SEED=7
#
# Objects, flags and the driver are make/fuzz.mk's. `make check` runs what FUZZ_BUDGET allows.
FUZZ_FABRIC := $(O)/fuzz/tests/fuzz_fabric_state
FUZZ_FABRIC_OBJ := $(patsubst %.c,$(O)/fuzz/obj/%.o,$(foreach r,$(NEEDS_fabric),$(SRC_$(r))) \
	tests/fabric/shares.c tests/fuzz/fuzz_fabric_state.c tests/fuzz/driver_main.c)

$(FUZZ_FABRIC): $(FUZZ_FABRIC_OBJ)
	@mkdir -p $(@D)
	$(CC) $(FUZZ_SAN) -o $@ $^ $(PKG_LIBS)

.PHONY: fuzz-fabric-state
fuzz: fuzz-fabric-state
fuzz-fabric-state: $(FUZZ_FABRIC)
	@$< -n $(or $(N),200000) -s $(or $(SEED),1)

build-tests: $(FUZZ_FABRIC)
.PHONY: check-fuzz-fabric
check-fuzz: check-fuzz-fabric
check-fuzz-fabric: $(FUZZ_FABRIC)
	@tests/run-fuzz $(FUZZ_BUDGET) fabric $^
