# tests/kvm/lib.sh: a machine with a real KVM on any x86 host, for the engine's proof. Sourced.
#
# Debian's generic kernel runs in QEMU without acceleration (-accel tcg -cpu max), which emulates
# AMD's virtualization with nested paging; kvm-amd is loaded there, and what is tested runs inside,
# from an initramfs made here of Debian's packages, the way images are made, without root.
#
# One processor: with more, each in its own thread, QEMU 7.2 now and then loses an interrupt of
# the outer machine around VMRUN, and its kernel stalls for good.
#
# Its kernel is told the TSC's frequency, which is the host's: on a busy host what it finds out
# itself can be many times too small, and then a minute is half an hour there.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$top/images/lib.sh"
NEED_PACKAGES="qemu-system-x86 apt dpkg cpio kmod busybox-static"
OUTER_MODULES="irqbypass ccp kvm kvm-amd"

# outer_prepare DIR: leaves DIR/vmlinuz and the unpacked start of an initramfs in DIR/root.
outer_prepare() {
	local dir=$1 kernel release tree dep m
	need_commands qemu-system-x86_64 apt-get dpkg-deb cpio depmod
	apt_prepare
	kernel=$({ ls "$PACKAGES" 2>/dev/null || true; } |
		sed -n 's/^\(linux-image-[0-9][0-9.-]*-amd64\)_.*\.deb$/\1/p' | sort -V | tail -n 1)
	[ -n "$kernel" ] || kernel=$(package_behind linux-image-amd64 'linux-image-[0-9][0-9.-]*-amd64')
	[ -n "$kernel" ] || fail "no package behind linux-image-amd64"
	release=${kernel#linux-image-}
	tree="$dir/tree"
	mkdir -p "$tree" "$dir/root"/{bin,sbin,dev,proc,sys,run,tmp,root,etc,lib/modules,lib/x86_64-linux-gnu,lib64}
	fetch_packages "$kernel" busybox-static | while read -r m; do dpkg-deb -x "$m" "$tree"; done
	cp "$tree/boot/vmlinuz-$release" "$dir/vmlinuz"
	cp "$tree/bin/busybox" "$dir/root/bin/busybox"
	for m in $("$tree/bin/busybox" --list); do
		[ "$m" = busybox ] || ln -sf busybox "$dir/root/bin/$m"
	done
	depmod -b "$tree" "$release"
	dep="$tree/lib/modules/$release/modules.dep"
	for m in $OUTER_MODULES; do
		m=$(grep -m 1 "/${m}\\.ko:" "$dep") || continue
		printf '%s\n' "${m/:/}" | tr ' ' '\n' | grep . | tac
	done | awk '!seen[$0]++' | while read -r m; do
		cp "$tree/lib/modules/$release/$m" "$dir/root/lib/modules/"
		echo "${m##*/}"
	done >"$dir/root/lib/modules/order"
	rm -rf "$tree"
	cat >"$dir/root/init" <<'INIT'
#!/bin/sh
export PATH=/bin:/sbin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t debugfs debug /sys/kernel/debug
mkdir -p /dev/pts /dev/shm /run/user/0
mount -t devpts pts /dev/pts
chmod 700 /run/user/0
ip link set lo up
for m in $(cat /lib/modules/order); do insmod /lib/modules/$m || echo "outer: $m does not load"; done
[ -c /dev/kvm ] || echo "outer: no /dev/kvm"
cd /root
echo "outer: up after $(cut -d ' ' -f 1 /proc/uptime) s"
sh /script
echo "outer: status $?"
poweroff -f
INIT
	chmod 755 "$dir/root/init"
}

# outer_add DIR FILE PLACE: a file, with the host's libraries when it is a program.
outer_add() {
	local root=$1/root lib
	install -D "$2" "$root/$3"
	for lib in $(ldd "$2" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-linux[^ ]*\).*/\1/p'); do
		[ -e "$root/$lib" ] || install -D "$(readlink -f "$lib")" "$root/$lib"
	done
}

# outer_run DIR SCRIPT SECONDS: runs SCRIPT inside; its console is the output. Status: the script's.
outer_run() {
	local dir=$1 log="$1/console" khz
	khz=$("$O/tsc-khz") || fail "$O/tsc-khz is not built"
	cp "$2" "$dir/root/script"
	(cd "$dir/root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >"$dir/initramfs"
	timeout "$3" qemu-system-x86_64 -accel tcg,thread=single -cpu max -smp 1 -m "${OUTER_MIB:-2048}" \
		-nodefaults -display none -serial stdio -no-reboot -net none -kernel "$dir/vmlinuz" \
		-initrd "$dir/initramfs" -append "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check tsc_early_khz=$khz" </dev/null | stdbuf -oL tr -d '\r' | tee "$log"
	[ "$(sed -n 's/^outer: status //p' "$log" | tail -n 1)" = 0 ]
}
