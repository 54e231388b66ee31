# The KVM engine's tests.
#
#   make check-kvm        inside a machine with a true kvm-amd, emulated by QEMU: the unit tests,
#                         a boot, the firewall lab (needs the image tiny)
#   make bench-kvm        start to init and exits, beside QEMU under KVM, in the same machine
#   make check-kvm-native the unit tests on this host's /dev/kvm (part of make check)
CHECK_KVM := $(O)/tests/kvm/check_kvm

$(CHECK_KVM): $(call obj,tests/kvm/check_kvm.c tests/kvm/guest.c) $(call lib,cpu core)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(CHECK_LIBS) $(PKG_LIBS)

UNIT_BIN += $(CHECK_KVM)
build-tests check-unit: $(CHECK_KVM)

.PHONY: check-kvm check-kvm-native
check-kvm-native: $(CHECK_KVM)
	@tests/run-units $^
check-kvm: $(O)/muster $(O)/run-machine $(CHECK_KVM) images-data
	@make/deps build image test
	@$(O)/muster images build tiny --if-missing
	@O=$(O) tests/kvm/proof full

# Beside QEMU in the same nested machine.
.PHONY: bench-kvm
bench-kvm: $(O)/muster $(O)/run-machine images-data
	@make/deps build image test bench
	@$(O)/muster images build tiny --if-missing
	@O=$(O) tests/kvm/bench
