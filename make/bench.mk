# bench: the figures of docs/figures.md. bench-ROW measures one of them.
.PHONY: bench
bench:
	@make/deps build image test bench
	@$(MAKE) --no-print-directory -s -j2 O=$(O) all bench-programs
	@$(O)/muster images build tiny --if-missing
	@tests/bench/run-bench $(O)
.PHONY: bench-programs
bench-programs:
