# make bench-fabric: frames a second through the fabric on one core.
BENCH_FABRIC := $(O)/bench/bench_fabric

$(BENCH_FABRIC): $(call obj,tests/bench/bench_fabric.c) $(call lib,$(NEEDS_fabric))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)

bench-programs: $(BENCH_FABRIC)


# make bench-latency: how late a lone frame is on the real clock.
BENCH_LATENCY := $(O)/bench/bench_latency

$(BENCH_LATENCY): $(call obj,tests/bench/bench_latency.c) $(call lib,$(NEEDS_fabric))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)
bench-programs: $(BENCH_LATENCY)

.PHONY: bench-latency
bench-latency: $(BENCH_LATENCY)
	@tests/bench/run-bench $(O) latency
