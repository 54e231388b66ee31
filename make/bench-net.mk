BENCH_TX = $(O)/bench/bench_tx

# make bench-net: throughput between two guests beside QEMU's, and the memory of ten idle ones.
.PHONY: bench-net
bench-net:
	@make/deps build image test bench
	@$(MAKE) --no-print-directory -s -j2 O=$(O) all $(BENCH_TX)
	@$(O)/muster images build tiny --if-missing || echo 'image tiny: not built; its benches are skipped'
	@tests/bench/bench-net $(O)

# What a guest at ring 3 under KVM sends through the card's own code, on one core.

$(BENCH_TX): $(call obj,tests/bench/bench_tx.c tests/host_probe.c tests/vmm/vguest.c) $(call lib,vmm cpu core)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)
bench-programs: $(BENCH_TX)

.PHONY: bench-tx
bench-tx: $(BENCH_TX)
	@tests/bench/bench-net $(O) tx
