# The KVM engine's tests.
#
#   make check-kvm        inside a machine with a true kvm-amd, emulated by QEMU: the unit tests,
#                         boots with one and four processors, the firewall lab (needs the image tiny)
#   make soak-smp-kvm     there: four processors under load for ten minutes
#   make bench-kvm        start to init, exits and memory beside QEMU under KVM, in the same machine; and the
#                         network's and the idle guests' figures
#   make bench-doorbell   what a doorbell and an interrupt cost, each way, on this host's /dev/kvm
#   make check-kvm-native the unit tests on this host's /dev/kvm (part of make check)
CHECK_KVM := $(O)/tests/kvm/check_kvm

$(CHECK_KVM): $(call obj,tests/kvm/check_kvm.c tests/kvm/guest.c tests/host_probe.c) $(call lib,cpu core)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(CHECK_LIBS) $(PKG_LIBS)

CHECK_KVM_STATE := $(O)/tests/kvm/check_kvm_state
$(CHECK_KVM_STATE): $(call obj,tests/kvm/check_kvm_state.c tests/kvm/guest.c tests/host_probe.c tests/vmm/smp_guest.c) $(call lib,vmm cpu core)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(CHECK_LIBS) $(PKG_LIBS)

CHECK_KVM_SMP := $(O)/tests/kvm/check_kvm_smp
$(CHECK_KVM_SMP): $(call obj,tests/kvm/check_kvm_smp.c tests/kvm/guest.c tests/host_probe.c) $(call lib,cpu core)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(CHECK_LIBS) $(PKG_LIBS)

CHECK_KVM_LINES := $(O)/tests/kvm/check_kvm_lines
$(CHECK_KVM_LINES): $(call obj,tests/kvm/check_kvm_lines.c tests/kvm/guest.c tests/host_probe.c) $(call lib,vmm cpu core)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(CHECK_LIBS) $(PKG_LIBS)

CHECK_KVM_ALL := $(CHECK_KVM) $(CHECK_KVM_STATE) $(CHECK_KVM_SMP) $(CHECK_KVM_LINES)
UNIT_BIN += $(CHECK_KVM_ALL)
build-tests check-unit: $(CHECK_KVM_ALL)

# A guest handed from machine to machine (tests/kvm/relay.c), and what runs in it; for labs too.
RELAY := $(O)/relay
RELAY_GUEST := $(O)/relay-guest
RELAY_OBJ := $(call obj,tests/kvm/relay.c)
$(RELAY): $(RELAY_OBJ) $(call lib,vmm cpu core)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(PKG_LIBS)
$(RELAY_OBJ): $(O)/flags
$(RELAY_GUEST): tests/kvm/relay_guest.c $(O)/flags
	$(CC) -D_GNU_SOURCE $(WARN) -O2 -static -pthread -o $@ $< -lm
check-lab: $(RELAY) $(RELAY_GUEST)

# What a doorbell and an interrupt cost, each way, on this host's /dev/kvm.
BENCH_DOORBELL := $(O)/bench/bench_doorbell
$(BENCH_DOORBELL): $(call obj,tests/bench/bench_doorbell.c tests/kvm/guest.c tests/host_probe.c) $(call lib,cpu core)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(CHECK_LIBS) $(PKG_LIBS)
.PHONY: bench-doorbell
bench-doorbell: $(BENCH_DOORBELL)
	@$<

VSOCK_HOST := $(O)/vsock-host
$(VSOCK_HOST): $(call obj,tests/kvm/vsock_host.c)
	$(CC) $(ALL_LDFLAGS) -o $@ $^

# For the kernel around the nested machines (tests/kvm/lib.sh).
TSC_KHZ := $(O)/tsc-khz
$(TSC_KHZ): $(call obj,tests/kvm/tsc_khz.c)
	$(CC) $(ALL_LDFLAGS) -o $@ $^

.PHONY: check-kvm check-kvm-native
check-kvm-native: $(CHECK_KVM_ALL)
	@tests/run-units $^
check-kvm: $(O)/muster $(O)/run-machine $(CHECK_KVM_ALL) $(BENCH_DOORBELL) $(RELAY) $(RELAY_GUEST) $(VSOCK_HOST) $(TSC_KHZ) images-data
	@make/deps build image test
	@$(O)/muster images build tiny --if-missing
	@O=$(O) tests/kvm/proof full

.PHONY: soak-smp-kvm
soak-smp-kvm: $(O)/muster $(O)/run-machine $(CHECK_KVM_ALL) $(BENCH_DOORBELL) $(RELAY) $(RELAY_GUEST) $(VSOCK_HOST) $(TSC_KHZ) images-data
	@make/deps build image test
	@$(O)/muster images build tiny --if-missing
	@O=$(O) tests/kvm/proof soak

# The second engine's figures: beside QEMU in the same nested machine, and those of the network.
# bench-kvm-exits adds the exits by reason.
.PHONY: bench-kvm bench-kvm-exits
bench-kvm: $(O)/muster $(O)/run-machine images-data $(BENCH_TX) $(TSC_KHZ)
	@make/deps build image test bench
	@$(O)/muster images build tiny --if-missing
	@O=$(O) tests/kvm/bench; nested=$$?; tests/bench/bench-net $(O) && exit $$nested
bench-kvm-exits: $(O)/run-machine $(TSC_KHZ)
	@O=$(O) tests/kvm/bench --reasons
