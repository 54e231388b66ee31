# The services' figures, beside their peers: root, in network namespaces of their own.
#
#   make bench-dhcp   4-way exchanges a second, beside Kea
#   make bench-nat    TCP through the NAT, beside slirp4netns and pasta
.PHONY: bench-dhcp bench-nat
bench-dhcp bench-nat: bench-%:
	@make/deps build image test bench bench-services
	@$(MAKE) --no-print-directory -s -j2 O=$(O) all
	@$(O)/muster images build tiny --if-missing || echo 'image tiny: not built; its benches are skipped'
	@tests/bench/bench-$* $(O)
