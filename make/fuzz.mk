# Fuzz harnesses of the virtio devices, always built with sanitizers.
#
#   make fuzz-virtio N=200000 SEED=7   pseudo-random inputs, gcc
#   make fuzz-guided T=net FOR=60      coverage-guided for a minute, clang's libFuzzer
#   make fuzz-nightly                  10,000,000 inputs a device and chip (NIGHTLY=N: another number)
#   make fuzz-coverage INPUTS=20000    the lines of devices and chips that no harness reaches
#
#   make check-fuzz FUZZ_BUDGET=20     each room for that many seconds of one processor: part of make check
#
# A room is what one make file here fuzzes: virtio, chips, frames, state.
# Stands behind fuzz-chips.mk in the order make reads them.

FUZZ_VIRTIO := net console rng balloon vsock
FUZZ_BIN := $(patsubst %,$(O)/fuzz/tests/fuzz_virtio_%,$(FUZZ_VIRTIO))
FUZZ_SRC := $(wildcard vmm/dev/virt*.c core/*.c) vmm/bus.c vmm/cpu/mem.c vmm/dev/pci.c \
	vmm/dev/msix.c tests/vmm/vguest.c tests/fuzz/virtio_fuzz.c tests/fuzz/roundtrip.c
FUZZ_OBJ := $(patsubst %.c,$(O)/fuzz/obj/%.o,$(FUZZ_SRC))
FUZZ_CFLAGS := -std=gnu17 -O1 -g -D_GNU_SOURCE -DMUSTER_VERSION='"$(VERSION)"' -I. \
	-fno-strict-aliasing -fno-common -fno-omit-frame-pointer -pthread $(PKG_CFLAGS)
FUZZ_SAN := -fsanitize=address,undefined -fno-sanitize-recover=all
N ?= 200000
FUZZ_BUDGET ?= 20
.PHONY: check-fuzz
SEED ?= 1
T ?= net
FOR ?= 60

$(O)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(FUZZ_CFLAGS) $(FUZZ_SAN) -MMD -MP -c -o $@ $<

$(O)/fuzz/tests/fuzz_virtio_%: $(O)/fuzz/obj/tests/fuzz/fuzz_virtio_%.o \
		$(O)/fuzz/obj/tests/fuzz/driver_main.o $(FUZZ_OBJ)
	@mkdir -p $(@D)
	$(CC) $(FUZZ_SAN) -o $@ $^ $(PKG_LIBS)

.PHONY: fuzz-virtio fuzz-guided
fuzz-virtio: $(FUZZ_BIN)
	@for t in $(FUZZ_BIN); do echo "$${t##*/}:"; $$t -n $(N) -s $(SEED) || exit 1; done

$(O)/fuzz/guided_%: tests/fuzz/fuzz_virtio_%.c $(FUZZ_SRC) | $(CELL_TABLE)
	@mkdir -p $(@D)
	clang $(FUZZ_CFLAGS) -I$(O)/gen -fsanitize=fuzzer,address,undefined -o $@ $^ $(PKG_LIBS)

fuzz-guided: $(O)/fuzz/guided_$(T)
	@mkdir -p $(O)/fuzz/corpus/$(T)
	$< -max_total_time=$(FOR) -max_len=1024 -artifact_prefix=$(O)/fuzz/ $(O)/fuzz/corpus/$(T)

FUZZ_DEVICES := $(FUZZ_BIN) $(FUZZ_CHIP_BIN)
NIGHTLY ?= 10000000
INPUTS ?= 20000
.PHONY: fuzz fuzz-nightly fuzz-coverage fuzz-coverage-run
fuzz: fuzz-virtio fuzz-chips fuzz-frames fuzz-state fuzz-team

fuzz-nightly: $(FUZZ_DEVICES)
	@for t in $^; do echo "$${t##*/}:"; $$t -n $(NIGHTLY) -s $(SEED) || exit 1; done

fuzz-coverage:
	@$(MAKE) --no-print-directory -s O=$(O)/coverage FUZZ_SAN=--coverage fuzz-coverage-run
fuzz-coverage-run: $(FUZZ_DEVICES)
	@tests/fuzz/coverage $(O)/fuzz/obj $(INPUTS) $^

build-tests: $(FUZZ_BIN)
.PHONY: check-fuzz-virtio
check-fuzz: check-fuzz-virtio
check-fuzz-virtio: $(FUZZ_BIN)
	@tests/run-fuzz $(FUZZ_BUDGET) virtio $^

-include $(shell find $(O)/fuzz/obj -name '*.d' 2>/dev/null)
