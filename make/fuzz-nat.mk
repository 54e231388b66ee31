# Fuzz harnesses of the NAT: the guest's side of TCP, and frames with a host that does what the input says.
#
#   make fuzz-nat N=200000 SEED=7
#
# Objects, flags and the driver are make/fuzz.mk's. `make check` runs what FUZZ_BUDGET allows.
FUZZ_NAT := $(patsubst tests/fuzz/fuzz_nat_%.c,$(O)/fuzz/tests/fuzz_nat_%,$(wildcard tests/fuzz/fuzz_nat_*.c))
FUZZ_NAT_OBJ := $(patsubst %.c,$(O)/fuzz/obj/%.o,tests/fuzz/nat_host.c $(wildcard core/*.c) \
	$(filter-out nat/host.c nat/uplink%,$(wildcard nat/*.c)))

$(FUZZ_NAT): $(O)/fuzz/tests/fuzz_%: $(O)/fuzz/obj/tests/fuzz/fuzz_%.o \
		$(O)/fuzz/obj/tests/fuzz/driver_main.o $(FUZZ_NAT_OBJ)
	@mkdir -p $(@D)
	$(CC) $(FUZZ_SAN) -o $@ $^ $(PKG_LIBS)

.PHONY: fuzz-nat
fuzz: fuzz-nat
fuzz-nat: $(FUZZ_NAT)
	@for t in $(FUZZ_NAT); do echo "$${t##*/}:"; $$t -n $(or $(N),200000) -s $(or $(SEED),1) || exit 1; done

build-tests: $(FUZZ_NAT)
.PHONY: check-fuzz-nat
check-fuzz: check-fuzz-nat
check-fuzz-nat: $(FUZZ_NAT)
	@$(O)/fuzz/tests/fuzz_nat_frames $(wildcard tests/fuzz/corpus/nat_frames/*)
	@tests/run-fuzz $(FUZZ_BUDGET) nat $^
