# The engine against the hardware and against Zydis.
#
#   make oracle N=1000000 [SEED=1]    instructions; 10 N byte strings for the decoder
#   make oracle-programs N=100000 [SEED=1]  random programs, interpreter against translator
#   make oracle-short                 what `make check` runs (tests/oracle/part-hardware)
#   make oracle-record                records the outcomes of 32-bit and 16-bit code anew, on this host's processor
#   make oracle-kernels               Debian's generic kernel and its installer on the soft engine
#   make soak-soft [SOAK=600]         a guest under load, its checksums beside the host's
N ?= 1000000
SEED ?= 1
ORACLE_INSN_OBJ := $(call obj,$(addprefix tests/oracle/,oracle_insn.c oracle_hw.c oracle_soft.c oracle_gen.c oracle_rules.c oracle_vectors.c) tests/host_probe.c)
ORACLE_LIBS := -lZydis

# The handler runs on whatever registers a case leaves: no canary behind FS.
$(O)/obj/tests/oracle/oracle_hw.o: ALL_CFLAGS += -fno-stack-protector

$(O)/tests/oracle/oracle_insn: $(ORACLE_INSN_OBJ) $(call lib,cpu core)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(ORACLE_LIBS) $(PKG_LIBS)

$(O)/tests/oracle/oracle_decode: $(call obj,tests/oracle/oracle_decode.c) $(call lib,cpu core)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(ORACLE_LIBS) $(PKG_LIBS)

$(O)/tests/oracle/oracle_program: $(call obj,$(addprefix tests/oracle/,oracle_program.c oracle_program_gen.c oracle_program_run.c oracle_gen.c) tests/cpu/flat.c) $(call lib,cpu core)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(ORACLE_LIBS) $(PKG_LIBS)

.PHONY: oracle oracle-record oracle-short oracle-kernels oracle-programs
oracle-programs: $(O)/tests/oracle/oracle_program
	$< $(N) $(SEED)

oracle: $(O)/tests/oracle/oracle_insn $(O)/tests/oracle/oracle_decode
	$(O)/tests/oracle/oracle_decode $(N)0 $(SEED)
	$(O)/tests/oracle/oracle_insn $(N) $(SEED)

oracle-short:
	@O=$(O) WERROR=$(WERROR) SAN=$(SAN) tests/oracle/part-hardware

# For hosts that run no 32-bit or 16-bit code (tests/oracle/oracle_vectors.c). To be done when the generator changes.
VECTORS := tests/oracle/vectors
oracle-record: $(O)/tests/oracle/oracle_insn
	$< --record $(VECTORS).new
	mv $(VECTORS).new $(VECTORS)

oracle-kernels: $(O)/run-machine
	@tests/oracle/stock-kernels $(O)

build-tests: $(O)/tests/oracle/oracle_insn $(O)/tests/oracle/oracle_program $(O)/tests/oracle/oracle_decode

# A guest under a load like a build's for SOAK seconds (600), its checksums beside the host's.
.PHONY: soak-soft
soak-soft: $(O)/run-machine $(O)/muster images-data
	@make/deps build image test
	@$(O)/muster images build tiny --if-missing
	@O=$(O) tests/oracle/soak-soft
