# The monitor's developer tool: one machine on the terminal.

RUN_MACHINE_OBJ := $(call obj,tests/bench/run_machine.c)
$(O)/run-machine: $(RUN_MACHINE_OBJ) $(call lib,vmm cpu core)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)
.PHONY: run-machine
run-machine: $(O)/run-machine
$(RUN_MACHINE_OBJ): $(O)/flags
