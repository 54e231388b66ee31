# host-probe: what the host lets a process do; labs and oracles skip what it does not.
#
#   make host-probe && build/host-probe
HOST_PROBE := $(O)/host-probe
HOST_PROBE_OBJ := $(call obj,tests/host_probe.c)

$(HOST_PROBE): $(call obj,tests/host_probe_main.c) $(HOST_PROBE_OBJ) $(call lib,core)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(PKG_LIBS)
$(HOST_PROBE_OBJ) $(call obj,tests/host_probe_main.c): $(O)/flags
.PHONY: host-probe
host-probe: $(HOST_PROBE)
build-tests check-lab: $(HOST_PROBE)
