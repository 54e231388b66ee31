# The name service beside its unit tests: the oracle's library, and the figure of answers.
$(O)/tests/dns/check_dns_ldns: UNIT_LIBS := -lldns

# make bench-dns-answer: answers a second from the table, one core, by processor time.
BENCH_DNS := $(O)/bench/bench_dns

$(BENCH_DNS): $(call obj,tests/bench/bench_dns.c) $(call lib,$(NEEDS_dns))
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)

.PHONY: bench-dns-answer
bench-dns-answer: $(BENCH_DNS)
	@$(BENCH_DNS)
bench-programs: $(BENCH_DNS)
