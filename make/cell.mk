# The cell's lists of system calls, collected from the annotations beside the
# calls (core/sandbox.h) by make/cell-table. Written anew when a source changed,
# but only touched when the lists did.
CELL_TABLE := $(O)/gen/core/cell_table.h
CELL_SRC := $(foreach r,$(ROOMS),$(SRC_$(r)))
EXTRA_CFLAGS_core/sandbox_filter := -I$(O)/gen

$(CELL_TABLE): $(CELL_SRC) make/cell-table
	@mkdir -p $(@D)
	@new=$$(mktemp $@.XXXXXX) || exit 1; make/cell-table $(CELL_SRC) >$$new || { rm $$new; exit 1; }; \
		if cmp -s $$new $@; then rm $$new; else chmod 644 $$new && mv $$new $@; fi
$(O)/obj/core/sandbox_filter.o: $(CELL_TABLE)

# Fuzzers and lint compile core with flags of their own.
$(O)/fuzz/obj/core/sandbox_filter.o: $(CELL_TABLE)
$(O)/fuzz/obj/core/sandbox_filter.o: FUZZ_CFLAGS += -I$(O)/gen

# A program whose cells try what is forbidden, from inside (tests/lab/lab-cell). It can be told
# to take a KVM that no guest of ours would boot on.
CELL_HOOK := $(O)/muster-cell
CELL_HOOK_OBJ := $(O)/hook/core/sandbox.o $(O)/hook/tests/lab/cell_hook.o
$(CELL_HOOK_OBJ): $(O)/hook/%.o: %.c $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DMUSTER_CELL_HOOK -MMD -MP -c -o $@ $<
$(CELL_HOOK): $(call obj,cli/main.c) $(CELL_HOOK_OBJ) $(call obj,tests/host_probe.c) $(call lib,$(NEEDS_cli))
	$(CC) $(ALL_LDFLAGS) -Wl,--wrap=probe_kvm,--wrap=kvm_usable,--wrap=linux64_load -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)
check-lab: $(CELL_HOOK)
-include $(CELL_HOOK_OBJ:.o=.d)
