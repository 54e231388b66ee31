# Two machines on one wire, under Linux' own virtio drivers (a developer's tool).
#
#   make run-pair && tests/bench/mk-pair-initramfs OUT MODULES && $(O)/run-pair -k KERNEL -i OUT

RUN_PAIR_OBJ := $(call obj,tests/bench/run_pair.c)
$(O)/run-pair: $(RUN_PAIR_OBJ) $(call lib,vmm cpu core)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)
.PHONY: run-pair
run-pair: $(O)/run-pair
$(RUN_PAIR_OBJ): $(O)/flags
