# Guest programs and the scripts that build images, laid beside the program as
# they lie below $(PREFIX)/share/muster when installed.
AGENT_SRC := images/agent/main.c images/agent/exec.c images/agent/file.c images/agent/bulk.c images/agent/info.c core/base64.c
GUEST_CFLAGS := -std=gnu17 -Os $(WARN) -D_GNU_SOURCE -I. $(if $(filter 1,$(WERROR)),-Werror)
IMAGE_FILES := $(shell find images -type f ! -path 'images/agent/*' ! -name '*.[ch]')

$(O)/share/images/guest/agent: $(AGENT_SRC) images/agent/agent.h core/session.h core/bytes.h core/base64.h
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -static -s -o $@ $(AGENT_SRC) -ljansson

# The guest service: commands and file transfers over vsock, by the host's own codec.
SESSION_SRC := images/agent/session.c images/agent/session_exec.c images/agent/session_run.c core/session.c core/transfer.c core/transfer_temp.c core/bytes.c core/base64.c
$(O)/share/images/guest/session: $(SESSION_SRC) images/agent/session.h core/session.h core/transfer.h core/transfer_temp.h core/bytes.h
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -static -s -o $@ $(SESSION_SRC)

# The first processes: tiny's init, and debian's, which hands over to systemd.
$(O)/share/images/guest/init $(O)/share/images/guest/handover: $(O)/share/images/guest/%: images/agent/%.c images/agent/boot.c images/agent/boot.h
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -static -s -o $@ $(filter %.c,$^)

# What was copied and is no file of the tree any more; guest/ is built, not copied.
IMAGE_STALE := $(filter-out $(IMAGE_FILES:images/%=%) .copied,$(shell find $(O)/share/images -type f ! -path '*/guest/*' -printf '%P\n' 2>/dev/null))
$(O)/share/images/.copied: $(IMAGE_FILES) $(if $(IMAGE_STALE),FORCE)
	@mkdir -p $(@D)
	@find $(@D) -mindepth 1 -maxdepth 1 ! -name guest -exec rm -rf {} +
	tar -C images -cf - --exclude=./agent . | tar -C $(@D) -xf -
	@touch $@

# The examples, for muster init.
EXAMPLE_FILES := $(shell find examples -type f)
EXAMPLE_STALE := $(filter-out $(EXAMPLE_FILES:examples/%=%) .copied,$(shell find $(O)/share/examples -type f -printf '%P\n' 2>/dev/null))
$(O)/share/examples/.copied: $(EXAMPLE_FILES) $(if $(EXAMPLE_STALE),FORCE)
	@rm -rf $(@D)
	@mkdir -p $(@D)
	cp -r examples/. $(@D)
	@touch $@

.PHONY: images-data
images-data: $(O)/share/examples/.copied $(O)/share/images/guest/agent $(O)/share/images/guest/init $(O)/share/images/guest/handover $(O)/share/images/guest/session $(O)/share/images/.copied
all: images-data

# The agent's commands as a unit test program: all of it but its main().
$(O)/tests/images/check_agent: tests/images/check_agent.c $(filter-out %/main.c,$(AGENT_SRC)) images/agent/agent.h core/base64.h $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(CHECK_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.c,$^) $(CHECK_LIBS) -ljansson

# A command of a session.
$(O)/tests/images/check_session_exec: tests/images/check_session_exec.c images/agent/session_exec.c images/agent/session.h $(call lib,core) $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(CHECK_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.c,$^) $(call lib,core) $(CHECK_LIBS) $(PKG_LIBS)
IMAGE_TESTS := $(O)/tests/images/check_agent $(O)/tests/images/check_session_exec
UNIT_BIN += $(IMAGE_TESTS)
.PHONY: check-images
check-images: $(IMAGE_TESTS)
	@tests/run-units $^
build-tests check-unit: $(IMAGE_TESTS)
