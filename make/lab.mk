# Labs: whole teams. tests/lab/lab-* are programs which print "ok NAME",
# "FAILED NAME" or "skipped NAME: why" lines (tests/lab/lib.sh).
#
#   make check-lab               all of them
#   make check-lab LABS=faults   one
#   make soak-faults ROUNDS=50   each process killed and stopped at random moments within each command
#   make soak-hundred            a hundred guests at once: ten minutes and 10 GiB
#   make check-debian            the image debian, built where it is not, and the examples on it: three
#                                minutes and the packages, so make check runs it only where it is built

LAB_FAKE := $(O)/muster-fake
LABS ?= $(patsubst tests/lab/lab-%,%,$(wildcard tests/lab/lab-*))

# The command line with a machine that has no processor: for labs about processes.
$(LAB_FAKE): $(call obj,cli/main.c tests/lab/fake_machine.c) $(call lib,$(NEEDS_cli))
	$(CC) $(ALL_LDFLAGS) -Wl,--wrap=store_lock -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)

# The same, whose other machines are real.
LAB_MIXED := $(O)/muster-mixed
LAB_MIXED_FAKE := $(O)/mixed/fake_machine.o
$(LAB_MIXED_FAKE): tests/lab/fake_machine.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(foreach f,new free run end_str,-Dmachine_$(f)=fake_machine_$(f)) -MMD -MP -c -o $@ $<
$(LAB_MIXED): $(call obj,cli/main.c tests/lab/mixed_machine.c) $(LAB_MIXED_FAKE) $(call lib,$(NEEDS_cli))
	$(CC) $(ALL_LDFLAGS) -Wl,--wrap=store_lock,--wrap=machine_new,--wrap=machine_run -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)
-include $(LAB_MIXED_FAKE:.o=.d)

.PHONY: check-lab
check-lab: $(O)/muster $(LAB_FAKE) $(LAB_MIXED)
	@$(O)/muster images build tiny --if-missing || echo 'image tiny: not built; its labs are skipped'
	@O=$(O) SAN=$(SAN) LAB_EXAMPLES=$(LAB_EXAMPLES) tests/lab/run-labs $(LABS)

.PHONY: soak-faults soak-hundred
soak-faults: $(LAB_FAKE)
	@O=$(O) ROUNDS=$(or $(ROUNDS),50) EACH=1 SEED=$(or $(SEED),1) SIDE=$(or $(SIDE),16) tests/lab/run-labs moments
soak-hundred: $(O)/muster images-data
	@O=$(O) tests/lab/soak-hundred

# Before make check's parts, which need it: built once, by one.
.PHONY: check-image
check-image: $(O)/muster images-data
	@$(O)/muster images build tiny --if-missing || echo 'image tiny: not built; what needs it is skipped'

.PHONY: check-debian
check-debian: $(O)/muster images-data
	@make/deps build image test
	@O=$(O) MUSTER_LAB_DEBIAN=1 tests/lab/run-labs debian
