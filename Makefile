# Muster. One non-recursive Makefile; everything is built below $(O).
#
#   make            build/muster
#   make check      everything that is checked without being asked
#   make demo       the firewall lab from nothing
#   make help       the other targets

O ?= build
CC ?= gcc
PREFIX ?= /usr/local
DESTDIR ?=
PKG_CONFIG ?= pkg-config
VERSION := $(shell cat VERSION)

ifeq ($(origin CC),default)
CC := gcc
endif

# Libraries a room may use beyond libc; checked by linking.
PKGS := jansson yaml-0.1 libxxhash libzstd liblz4 zlib liblzma smartcols
PKG_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lm -lutil
CHECK_CFLAGS := $(shell $(PKG_CONFIG) --cflags check 2>/dev/null)
CHECK_LIBS := $(shell $(PKG_CONFIG) --libs check 2>/dev/null)

OPT ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wimplicit-fallthrough -Wvla
ALL_CFLAGS := -std=gnu17 $(OPT) $(WARN) -D_GNU_SOURCE -DMUSTER_VERSION='"$(VERSION)"' -I. \
	-fno-strict-aliasing -fno-common -fstack-protector-strong $(PKG_CFLAGS) $(CFLAGS)
# A process that guest bytes take over finds no table to write to and no address that it knows. Not
# -fcf-protection: translated code returns by a stack of its own (docs/decisions/0001-cell-mechanisms.md).
HARDEN := -fPIE -fstack-clash-protection
ALL_LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack $(LDFLAGS)
ifeq ($(WERROR),1)
ALL_CFLAGS += -Werror
endif
ifneq ($(SAN),)
ALL_CFLAGS += -fsanitize=$(SAN) -fno-omit-frame-pointer -DMUSTER_SAN
ALL_LDFLAGS += -fsanitize=$(SAN)
# Undefined behaviour ends the process: a report alone would not fail a test.
ifneq ($(findstring undefined,$(SAN)),)
ALL_CFLAGS += -fno-sanitize-recover=all
endif
else
# It also has the C library warn of results that are cast to void.
HARDEN += -D_FORTIFY_SOURCE=2 -Wno-unused-result
endif
ALL_CFLAGS += $(HARDEN)

# ---- rooms: each is an archive -------------------------------------------
# cpu is the part of vmm that executes instructions; it is an archive of its
# own so that its tests link nothing of the devices.
ROOMS := core topologies cpu vmm vswitch shaping dhcp dns nat fabric teams cli
SRC_core := $(wildcard core/*.c)
SRC_topologies := $(wildcard topologies/*.c)
SRC_cpu := $(wildcard vmm/cpu/*.c vmm/cpu/soft/*.c vmm/cpu/soft/*/*.c vmm/cpu/kvm/*.c)
SRC_vmm := $(wildcard vmm/*.c vmm/dev/*.c vmm/boot/*.c)
SRC_vswitch := $(wildcard vswitch/*.c)
SRC_shaping := $(wildcard shaping/*.c)
SRC_dhcp := $(wildcard dhcp/*.c)
SRC_dns := $(wildcard dns/*.c)
SRC_nat := $(wildcard nat/*.c)
SRC_fabric := $(wildcard fabric/*.c)
SRC_teams := $(wildcard teams/*.c)
SRC_cli := $(filter-out cli/main.c,$(wildcard cli/*.c))

# What a room's unit tests link, in link order. A wrong dependency fails here.
NEEDS_core := core
NEEDS_topologies := topologies core
NEEDS_cpu := cpu core
NEEDS_vmm := vmm cpu core
NEEDS_vswitch := vswitch core
NEEDS_shaping := shaping core
NEEDS_dhcp := dhcp core
NEEDS_dns := dns core
NEEDS_nat := nat core
NEEDS_fabric := fabric vswitch shaping dhcp dns nat core
NEEDS_teams := teams vmm cpu fabric vswitch shaping dhcp dns nat topologies core
NEEDS_cli := cli $(NEEDS_teams)

lib = $(patsubst %,$(O)/lib/%.a,$(1))
obj = $(patsubst %.c,$(O)/obj/%.o,$(1))

.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all
all: $(O)/muster

$(O)/muster: $(call obj,cli/main.c) $(call lib,$(NEEDS_cli))
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)

define room_rule
$(O)/lib/$(1).a: $(call obj,$(SRC_$(1)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach r,$(ROOMS),$(eval $(call room_rule,$(r))))

# The engine is the hot loop of the whole project.
$(O)/obj/vmm/cpu/soft/%.o: OPT := $(OPT) -fomit-frame-pointer

$(O)/obj/%.o: %.c | $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(EXTRA_CFLAGS_$*) -MMD -MP -c -o $@ $<

# A change of flags rebuilds everything. What a target adds to its own flags would count for its prerequisites,
# too, and so for this file: the text is taken here, once.
FLAGS_TEXT := $(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)
$(O)/flags: FORCE
	@mkdir -p $(O)
	@echo '$(FLAGS_TEXT)' | cmp -s - $@ || echo '$(FLAGS_TEXT)' > $@
$(foreach r,$(ROOMS),$(call obj,$(SRC_$(r)))) $(call obj,cli/main.c): $(O)/flags
.PHONY: FORCE
FORCE:

# ---- unit tests: tests/ROOM/check_*.c, one program each ---------------------
UNIT_SRC := $(foreach r,$(ROOMS),$(wildcard tests/$(r)/check_*.c))
UNIT_BIN := $(patsubst tests/%.c,$(O)/tests/%,$(UNIT_SRC))
define unit_rule
UNIT_HELP_$(1) := $(filter-out $(wildcard tests/$(1)/check_*.c),$(wildcard tests/$(1)/*.c))
$(O)/tests/$(1)/check_%: $(O)/obj/tests/$(1)/check_%.o $$(call obj,$$(UNIT_HELP_$(1))) $(call lib,$(NEEDS_$(1)))
	@mkdir -p $$(@D)
	$(CC) $(ALL_LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $(CHECK_LIBS) $(PKG_LIBS) $$(UNIT_LIBS)
.PHONY: check-$(1)
check-$(1): $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/$(1)/check_*.c))
	@tests/run-units $$^
endef
$(foreach r,$(ROOMS),$(eval $(call unit_rule,$(r))))
$(O)/obj/tests/%.o: ALL_CFLAGS += $(CHECK_CFLAGS)

.PHONY: check-unit build-tests
build-tests: $(UNIT_BIN)
check-unit: $(UNIT_BIN)
	@tests/run-units $(UNIT_BIN)

include $(wildcard make/*.mk)

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
