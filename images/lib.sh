# images/lib.sh: what every image's build script uses. Sourced, never run.
#
# Packages come through apt (private lists and cache when the host's lists are
# missing or not ours to read), are kept in the cache folder, and are unpacked
# without root. With a full cache nothing asks the network.

set -euo pipefail
: "${MUSTER_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/muster}"
PACKAGES="$MUSTER_CACHE/packages"

say() { printf 'muster: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }
# Exit status 4: the host lacks something; the message names the mending command.
lacks() { say "$*"; exit 4; }

need_commands() {
	local c missing=()
	for c in "$@"; do command -v "$c" >/dev/null || missing+=("$c"); done
	[ ${#missing[@]} -eq 0 ] ||
		lacks "this needs ${missing[*]}; run: sudo apt-get install -y ${NEED_PACKAGES:-${missing[*]}}"
}

# apt with lists of our own when the host has none.
APT_OPTIONS=()
apt_prepare() {
	[ ${#APT_OPTIONS[@]} -eq 0 ] || return 0
	if ! apt-cache show busybox-static >/dev/null 2>&1; then
		local state="$MUSTER_CACHE/apt"
		mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
		APT_OPTIONS=(-o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache")
		say "fetching the package lists"
		apt-get "${APT_OPTIONS[@]}" -qq update >&2 || fail "apt-get update failed (is the network there?)"
	fi
	APT_OPTIONS+=(-o "APT::Sandbox::User=$(id -un)" -o "Dir::State::status=/var/lib/dpkg/status")
}

# The newest version's real package behind a meta package: first dependency of $1 that matches $2.
package_behind() {
	apt_prepare
	apt-cache "${APT_OPTIONS[@]}" depends "$1" | sed -n "s/^ *Depends: \($2\)\$/\1/p" | head -n 1
}

# Leaves the .deb of each package in $PACKAGES and prints its path. Downloads what is not there.
fetch_packages() {
	local p missing=()
	mkdir -p "$PACKAGES"
	for p in "$@"; do compgen -G "$PACKAGES/${p}_*.deb" >/dev/null || missing+=("$p"); done
	if [ ${#missing[@]} -gt 0 ]; then
		apt_prepare
		say "downloading ${#missing[@]} packages"
		local part
		part=$(mktemp -d "$PACKAGES/.part.XXXXXX")
		(cd "$part" && apt-get "${APT_OPTIONS[@]}" -q download "${missing[@]}" | { grep --line-buffered '^Get:' || true; } |
			progress downloaded ${#missing[@]}) ||
			{ rm -rf "$part"; fail "could not download ${missing[*]}"; }
		mv "$part"/*.deb "$PACKAGES/"
		rmdir "$part"
	fi
	for p in "$@"; do compgen -G "$PACKAGES/${p}_*.deb" | sort -V | tail -n 1; done
}

# Copies program $2.. out of the unpacked tree $1 into $ROOT, with every shared library it needs.
install_programs() {
	local tree=$1 f lib
	shift
	for f in "$@"; do
		[ -e "$tree/$f" ] || fail "package contents changed: $f is missing"
		install -D -m 755 "$tree/$f" "$ROOT/$f"
		install_libraries "$tree" "$tree/$f"
	done
}

install_libraries() {
	local tree=$1 lib path
	for lib in $(readelf -d "$2" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
		[ ! -e "$ROOT/lib/x86_64-linux-gnu/$lib" ] || continue
		path=$(find "$tree/lib" "$tree/usr/lib" -name "$lib" | head -n 1)
		[ -n "$path" ] || fail "$2 needs $lib, which no listed package has"
		install -D -m 755 "$(readlink -f "$path")" "$ROOT/lib/x86_64-linux-gnu/$lib"
		strip --strip-unneeded "$ROOT/lib/x86_64-linux-gnu/$lib" 2>/dev/null || true
		install_libraries "$tree" "$path"
	done
}

# The cloud kernel's package: the one that was used last, while it is in the cache.
kernel_package() {
	local kernel
	kernel=$({ ls "$PACKAGES" 2>/dev/null || true; } | sed -n 's/^\(linux-image-[0-9].*-cloud-amd64\)_.*\.deb$/\1/p' | sort -V | tail -n 1)
	[ -n "$kernel" ] || kernel=$(package_behind linux-image-cloud-amd64 'linux-image-[0-9].*')
	[ -n "$kernel" ] || fail "no package behind linux-image-cloud-amd64"
	printf '%s\n' "$kernel"
}

# What init loads itself: copies modules $3.. of the folder $1, with what they need, to
# $2/modules.d and lists them in $2/modules, in an order in which each finds what it needs.
boot_modules() {
	local from=$1 to=$2 m line
	shift 2
	mkdir -p "$to/modules.d"
	for m in "$@"; do
		line=$(grep -m 1 "/$m\\.ko:" "$from/modules.dep") || continue
		printf '%s\n' "${line/:/}" | tr ' ' '\n' | grep . | tac
	done | awk '!seen[$0]++' | while read -r m; do
		cp "$from/$m" "$to/modules.d/"
		echo "${m##*/}"
	done >"$to/modules"
}

# The tree $1 as an initramfs $2.
pack_initramfs() {
	find "$1" -exec touch -h -d @0 {} +
	(cd "$1" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 --reproducible) >"$2"
}

# The tree $1 as a read-only image $2, all of it root's; files that match compress hints $3 are packed.
pack_image() {
	local said
	rm -f "$2"
	said=$(mkfs.erofs -zlz4hc,12 --compress-hints="$3" --all-root -T 0 -U 00000000-0000-0000-0000-000000000000 \
		"$2" "$1" 2>&1 >/dev/null) || fail "mkfs.erofs: $said"
	# A persistent memory region is a multiple of 2 MiB.
	truncate -s %2M "$2"
}

# The packages $@ and all they depend on, one a line; worked out by apt as for an empty system,
# and kept beside the packages.
package_closure() {
	local kept empty names
	kept="$PACKAGES/closure-$(printf '%s\n' "$@" | sort | sha256sum | cut -c 1-16)"
	if [ ! -s "$kept" ]; then
		apt_prepare
		empty=$(mktemp)
		names=$(apt-get "${APT_OPTIONS[@]}" -o "Dir::State::status=$empty" -o Debug::NoLocking=1 \
			--simulate --no-install-recommends install "$@") || { rm -f "$empty"; fail "apt finds no way to install $*"; }
		rm -f "$empty"
		mkdir -p "$PACKAGES"
		sed -n 's/^Inst \([^ ]*\).*/\1/p' <<<"$names" | sort >"$kept.new"
		mv "$kept.new" "$kept"
	fi
	cat "$kept"
}

# ---- images that were made before -------------------------------------------------------

# Images are kept in the cache under a key of all they are made from: build scripts, guest programs,
# packages with their versions, and the packer. The same image in another $MUSTER_HOME is copied.
IMAGES_KEPT=2 # of each name

# cached_image SCRIPTS OUT GUEST DEB...: fills the folder OUT where the image of the build scripts
# in SCRIPTS, the programs in GUEST and these packages is kept; else returns 1.
cached_image() {
	local scripts=$1 out=$2 guest=$3 key
	shift 3
	key=$({
		(cd "$scripts" && find . -type f -printf '%m %p\n' | LC_ALL=C sort && find . -type f | LC_ALL=C sort | xargs sha256sum)
		(cd "$guest" && find . -type f | LC_ALL=C sort | xargs sha256sum)
		sha256sum <"$scripts/../lib.sh"
		printf '%s\n' "${@##*/}"
		mkfs.erofs -V 2>&1
	} | sha256sum | cut -c 1-24)
	KEPT_IMAGE="$MUSTER_CACHE/images/${scripts##*/}-$key"
	[ -e "$KEPT_IMAGE/image.json" ] || return 1
	say "${scripts##*/}: made of the same before: copied from $KEPT_IMAGE"
	touch "$KEPT_IMAGE"
	mkdir -p "$out"
	cp --reflink=auto "$KEPT_IMAGE"/* "$out/"
}

# keep_image OUT: keeps what cached_image looked for in vain, and drops the oldest of its name.
keep_image() {
	local part=
	if mkdir -p "$MUSTER_CACHE/images" && part=$(mktemp -d "$MUSTER_CACHE/images/.part.XXXXXX") &&
		cp --reflink=auto "$1"/* "$part/" && mv -T "$part" "$KEPT_IMAGE"; then
		ls -dt "${KEPT_IMAGE%-*}"-* | tail -n +$((IMAGES_KEPT + 1)) | xargs -r -d '\n' rm -rf
	else
		[ -z "$part" ] || rm -rf "$part"
		say "note: the image could not be kept in $MUSTER_CACHE/images"
	fi
}

# progress WHAT TOTAL: counts the lines that come; says WHAT: N of TOTAL, on a terminal for each, else at quarters.
progress() {
	local n=0 terminal=
	[ ! -t 2 ] || terminal=yes
	while read -r _; do
		n=$((n + 1))
		if [ -n "$terminal" ]; then printf '\rmuster: %s: %d of %d' "$1" $n "$2" >&2
		elif [ $((n * 4 / $2)) -ne $(((n - 1) * 4 / $2)) ]; then say "$1: $n of $2"; fi
	done
	[ -z "$terminal" ] || [ $n -eq 0 ] || echo >&2
}
