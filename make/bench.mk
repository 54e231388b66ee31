# bench: the figures of docs/figures.md. bench-ROW measures one of them.
.PHONY: bench
bench:
	@make/deps build image test bench
	@$(MAKE) --no-print-directory -s -j2 O=$(O) all bench-programs
	@$(O)/muster images build tiny --if-missing || echo 'image tiny: not built; its benches are skipped'
	@tests/bench/run-bench $(O)
# One of them: make bench-interp, bench-fabric, bench-up, bench-memory, bench-idle, bench-check.
BENCH_ROWS := interp fabric up memory idle check
.PHONY: $(BENCH_ROWS:%=bench-%)
$(BENCH_ROWS:%=bench-%): bench-%:
	@make/deps build image test
	@$(MAKE) --no-print-directory -s -j2 O=$(O) all bench-programs
	@tests/bench/run-bench $(O) $*
.PHONY: bench-programs
bench-programs: $(O)/run-machine
