# The interpreter's figure: shellsort as freestanding code in the flat machine.
bench-programs: $(O)/bench/bench_interp $(O)/bench/shellsort.bin

$(O)/bench/shellsort.bin: tests/bench/shellsort.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 -ffreestanding -fno-pic -fno-stack-protector -fcf-protection=none -mno-sse -nostdlib -static \
		-no-pie -Wl,-Ttext=0x10000,--build-id=none,--entry=start,--section-start=.start=0x10000,-Ttext=0x11000 -o $(@:.bin=.elf) $<
	objcopy -O binary -j .start -j .text $(@:.bin=.elf) $@

$(O)/bench/bench_interp: $(call obj,tests/bench/bench_interp.c tests/cpu/flat.c) $(call lib,$(NEEDS_cpu))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)

# The seven loads natively, under QEMU TCG and under both stages of the soft engine.
.PHONY: bench-cpu
bench-cpu: $(O)/bench/loads $(O)/run-machine $(O)/muster
	@tests/bench/run-loads $(O)
bench-programs: $(O)/bench/loads

$(O)/bench/loads: tests/bench/loads.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 $(WARN) -static -o $@ $<

# Where the guest spends its instructions and why translated code is left: of the boot, or of one load.
.PHONY: bench-profile
LOAD ?= boot
bench-profile: $(O)/bench/loads $(O)/run-machine $(O)/muster
	@tests/bench/run-profile $(O) $(LOAD)
