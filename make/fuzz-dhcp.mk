# Fuzz harnesses of dhcp: what a client can send. Objects, flags and the driver are make/fuzz.mk's.
#
#   make fuzz-dhcp N=200000 SEED=7     `make check` runs what FUZZ_BUDGET allows
FUZZ_DHCP_BIN := $(patsubst %,$(O)/fuzz/tests/%,fuzz_dhcp4_msg fuzz_dhcp4 fuzz_ra fuzz_dhcp6_msg fuzz_dhcp6 \
	fuzz_lease_log fuzz_lease_wire fuzz_tftp)
FUZZ_DHCP_OBJ := $(patsubst %.c,$(O)/fuzz/obj/%.o,$(wildcard dhcp/*.c core/*.c) fabric/lease_wire.c tests/fuzz/driver_main.c)

$(FUZZ_DHCP_BIN): $(O)/fuzz/tests/%: $(O)/fuzz/obj/tests/fuzz/%.o $(FUZZ_DHCP_OBJ)
	@mkdir -p $(@D)
	$(CC) $(FUZZ_SAN) -o $@ $^ $(PKG_LIBS)

.PHONY: fuzz-dhcp
fuzz: fuzz-dhcp
fuzz-dhcp: $(FUZZ_DHCP_BIN)
	@for t in $^; do echo "$${t##*/}:"; $$t -n $(or $(N),200000) -s $(or $(SEED),1) || exit 1; done

build-tests: $(FUZZ_DHCP_BIN)
.PHONY: check-fuzz-dhcp
check-fuzz: check-fuzz-dhcp
check-fuzz-dhcp: $(FUZZ_DHCP_BIN)
	@tests/run-fuzz $(FUZZ_BUDGET) dhcp $^
