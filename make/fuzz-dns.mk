# Fuzz harnesses of the name service: its messages, its answers, and what resolvers send.
#
#   make fuzz-dns N=200000 SEED=7
#
# Objects, flags and the driver are make/fuzz.mk's. `make check` runs what FUZZ_BUDGET allows.
FUZZ_DNS := $(patsubst tests/fuzz/fuzz_dns_%.c,$(O)/fuzz/tests/fuzz_dns_%,$(wildcard tests/fuzz/fuzz_dns_*.c))
FUZZ_DNS_OBJ := $(patsubst %.c,$(O)/fuzz/obj/%.o,$(wildcard core/*.c dns/*.c))

$(FUZZ_DNS): $(O)/fuzz/tests/fuzz_%: $(O)/fuzz/obj/tests/fuzz/fuzz_%.o \
		$(O)/fuzz/obj/tests/fuzz/driver_main.o $(FUZZ_DNS_OBJ)
	@mkdir -p $(@D)
	$(CC) $(FUZZ_SAN) -o $@ $^ $(PKG_LIBS)

.PHONY: fuzz-dns
fuzz: fuzz-dns
fuzz-dns: $(FUZZ_DNS)
	@for t in $(FUZZ_DNS); do echo "$${t##*/}:"; $$t -n $(or $(N),200000) -s $(or $(SEED),1) || exit 1; done

build-tests: $(FUZZ_DNS)
.PHONY: check-fuzz-dns
check-fuzz: check-fuzz-dns
check-fuzz-dns: $(FUZZ_DNS)
	@tests/run-fuzz $(FUZZ_BUDGET) dns $^
