# make bench-nat-path: one TCP stream through the uplink, without a virtual machine. By hand; FOR=5: seconds of a case.
BENCH_NAT_PATH := $(O)/bench/bench_nat_path

$(BENCH_NAT_PATH): $(call obj,tests/bench/bench_nat_path.c) $(call lib,$(NEEDS_nat))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)
bench-programs: $(BENCH_NAT_PATH)

.PHONY: bench-nat-path
bench-nat-path: $(BENCH_NAT_PATH)
	@uptime
	@$< $(if $(filter command,$(origin FOR)),$(FOR))
