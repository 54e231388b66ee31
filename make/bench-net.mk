# make bench-net: throughput between two guests beside QEMU's, and the memory of ten idle ones.
.PHONY: bench-net
bench-net:
	@make/deps build image test bench
	@$(MAKE) --no-print-directory -s -j2 O=$(O) all
	@$(O)/muster images build tiny --if-missing
	@tests/bench/bench-net $(O)
