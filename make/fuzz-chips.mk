# Fuzz harnesses of the chips and of PCI configuration space, always with sanitizers.
#
#   make fuzz-chips N=200000 SEED=7    pseudo-random inputs
#
# `make check` runs what FUZZ_BUDGET allows. Objects, flags and the driver are make/fuzz.mk's.
FUZZ_CHIPS := pci i8259 i8254 i82093 lapic mc146818 i8250 acpi
FUZZ_CHIP_BIN := $(patsubst %,$(O)/fuzz/tests/fuzz_chip_%,$(FUZZ_CHIPS))
FUZZ_CHIP_OBJ := $(patsubst %.c,$(O)/fuzz/obj/%.o,tests/fuzz/chip_fuzz.c tests/fuzz/roundtrip.c vmm/bus.c vmm/guest_clock.c \
	vmm/cpu/mem.c $(addprefix vmm/dev/,acpi.c apic_bus.c i82093.c i8250.c i8254.c i8259.c lapic.c mc146818.c msix.c pci.c) $(wildcard core/*.c))

$(FUZZ_CHIP_BIN): $(O)/fuzz/tests/fuzz_chip_%: $(O)/fuzz/obj/tests/fuzz/fuzz_chip_%.o \
		$(O)/fuzz/obj/tests/fuzz/driver_main.o $(FUZZ_CHIP_OBJ)
	@mkdir -p $(@D)
	$(CC) $(FUZZ_SAN) -o $@ $^ $(PKG_LIBS)

.PHONY: fuzz-chips
fuzz-chips: $(FUZZ_CHIP_BIN)
	@for t in $(FUZZ_CHIP_BIN); do echo "$${t##*/}:"; $$t -n $(N) -s $(SEED) || exit 1; done

build-tests: $(FUZZ_CHIP_BIN)
.PHONY: check-fuzz-chips
check-fuzz: check-fuzz-chips
check-fuzz-chips: $(FUZZ_CHIP_BIN)
	@tests/run-fuzz $(FUZZ_BUDGET) chips $^
