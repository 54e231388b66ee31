# deps, demo, check, install: the targets a person calls.

.PHONY: deps deps-bench demo check check-all check-layers check-prototypes check-docs check-headers install uninstall clean help
deps:
	@make/deps build image test

deps-bench:
	@make/deps build image test bench

# Variables of this Makefile come from pkg-config, so what deps installs is seen by a new make only.
demo:
	@make/deps build image
	@$(MAKE) --no-print-directory -s -j2 O=$(O) all
	@$(O)/muster images build tiny --if-missing
	$(O)/muster test examples/firewall/team.yaml

check:
	@make/deps build image test
	@$(MAKE) --no-print-directory O=$(O) WERROR=$(WERROR) SAN=$(SAN) check-all

check-all:
	@tests/run-check "$(MAKE)" "$(O)" "$(WERROR)" "$(SAN)"

# What tests/*/part-* call make for: built before, as several of them run at a time.
build-tests: $(O)/muster $(O)/run-machine $(BENCH_TX) $(BENCH_DOORBELL) $(RELAY) $(RELAY_GUEST) $(VSOCK_HOST) $(TSC_KHZ)

check-layers: check-docs
	@tests/check-layers

# What documents and comments refer to is in the tree.
check-docs:
	@tests/check-docs
check-prototypes:
	@tests/check-prototypes

# Every header compiles alone.
HEADERS := $(shell find core topologies vmm vswitch shaping nat dhcp dns fabric teams cli images -name '*.h' 2>/dev/null)
check-headers: $(patsubst %.h,$(O)/headers/%.ok,$(HEADERS))
$(O)/headers/%.ok: %.h
	@mkdir -p $(@D)
	@$(CC) $(ALL_CFLAGS) -fsyntax-only -include $< -x c /dev/null && touch $@

# ---- install ----------------------------------------------------------------
SHARE := $(DESTDIR)$(PREFIX)/share
install: all
	install -D -m 755 $(O)/muster $(DESTDIR)$(PREFIX)/bin/muster
	mkdir -p $(SHARE)/muster
	rm -rf $(SHARE)/muster/images $(SHARE)/muster/examples
	cp -r $(O)/share/images $(O)/share/examples $(SHARE)/muster/
	rm -f $(SHARE)/muster/images/.copied $(SHARE)/muster/examples/.copied
	install -D -m 644 topologies/team.schema.json $(SHARE)/muster/team.schema.json
	for m in $(wildcard cli/*.1); do install -D -m 644 $$m $(SHARE)/man/man1/$${m##*/}; done
	for m in $(wildcard topologies/*.5); do install -D -m 644 $$m $(SHARE)/man/man5/$${m##*/}; done
	install -D -m 644 cli/completions/muster.bash $(SHARE)/bash-completion/completions/muster
	install -D -m 644 cli/completions/muster.zsh $(SHARE)/zsh/site-functions/_muster
	install -D -m 644 cli/completions/muster.fish $(SHARE)/fish/vendor_completions.d/muster.fish

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/muster $(SHARE)/man/man1/muster*.1 $(SHARE)/man/man5/team-file.5
	rm -f $(SHARE)/bash-completion/completions/muster $(SHARE)/zsh/site-functions/_muster \
		$(SHARE)/fish/vendor_completions.d/muster.fish
	rm -rf $(SHARE)/muster

clean:
	rm -rf $(O)

# ---- lint -------------------------------------------------------------------
.PHONY: lint format-check
lint:
	@make/deps build lint
	@tests/run-lint

# Of the lines that changed since BASE, a commit (the last one's parent).
format-check:
	@make/deps build lint
	@tests/format-check $(BASE)

help:
	@echo 'make            build/muster'
	@echo 'make demo       install what is missing, build, boot the firewall lab and test it'
	@echo 'make check      unit tests, layers, headers, oracles, labs; WERROR=1, SAN=address,undefined'
	@echo 'make check-ROOM unit tests of one room: $(ROOMS)'
	@echo 'make check-lab  whole teams; check-debian the image debian and the examples on it'
	@echo 'make bench      the figures, written to docs/figures.md; bench-kvm those of the second engine'
	@echo 'make bench-profile LOAD=mmap  where the soft engine spends its time: of the boot, or of a load'
	@echo 'make fuzz       fuzz the decoders and devices; oracle: random instructions against the hardware'
	@echo 'make oracle-programs  random programs, interpreter against translator; soak-soft: ten minutes of load'
	@echo 'make fuzz-nightly  10,000,000 inputs a device and chip'
	@echo 'make lint       references of documents, comments of prototypes, clang-tidy, cppcheck, -fanalyzer'
	@echo 'make format-check BASE=main  clang-format of the lines that changed since then'
	@echo 'make deps       install the Debian packages that are missing'
	@echo 'make install    PREFIX=/usr/local DESTDIR='
