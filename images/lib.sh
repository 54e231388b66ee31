# images/lib.sh: what every image's build script uses. Sourced, never run.
#
# Packages come through apt, are kept in the cache folder, and are unpacked without root. A build asks for
# newer ones once a day; where it cannot, it says so and takes those it has. The host's lists are used
# where they are a day old at most, else lists of our own, since only root may fetch the host's.

set -euo pipefail
MUSTER_IMAGES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
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

# To be called once, before packages are asked for. Sets APT_OPTIONS; LISTS, a file or folder as old as
# the package lists, or empty where there are none.
: "${LISTS_MINUTES:=1440}"
APT_OPTIONS=()
LISTS=
apt_prepare() {
	local state="$MUSTER_CACHE/apt" host=/var/lib/apt/lists/partial
	APT_OPTIONS=(-o "APT::Sandbox::User=$(id -un)" -o Dir::State::status=/var/lib/dpkg/status)
	if [ -n "$(find $host -maxdepth 0 -mmin -$LISTS_MINUTES 2>/dev/null)" ] &&
		apt-cache "${APT_OPTIONS[@]}" show busybox-static >/dev/null 2>&1; then
		LISTS=$host
		return
	fi
	mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
	APT_OPTIONS+=(-o "Dir::State::Lists=$state/lists" -o "Dir::Cache=$state/cache")
	if [ -z "$(find "$state/fetched" -mmin -$LISTS_MINUTES 2>/dev/null)" ]; then
		say "fetching the package lists"
		if apt-get "${APT_OPTIONS[@]}" -o Acquire::http::Timeout=20 -o Acquire::Retries=0 \
			-o APT::Update::Error-Mode=any -qq update >&2; then
			touch "$state/fetched"
		else
			say "could not look for newer packages: apt-get update failed (is the network there?)"
		fi
	fi
	[ ! -e "$state/fetched" ] || LISTS=$state/fetched
}

# The newest version's real package behind a meta package: first dependency of $1 that matches $2.
package_behind() {
	apt-cache "${APT_OPTIONS[@]}" depends "$1" | sed -n "s/^ *Depends: \($2\)\$/\1/p" | head -n 1
}

# The files that apt would take for the packages $@, a line each: NAME FILE. Nothing where there are no lists.
newest_files() {
	local empty
	[ -n "$LISTS" ] || return 0
	empty=$(mktemp -d)
	(cd "$empty" && apt-get "${APT_OPTIONS[@]}" -qq --print-uris download "$@") |
		awk '{ name = $2; sub("_.*", "", name); print name, $2 }' || true
	rmdir "$empty"
}

# Leaves the newest .deb of each package in $PACKAGES and prints its path. What cannot be downloaded is an
# older one of the cache, which is said, or a failure.
fetch_packages() {
	local p file part missing=()
	local -A newest=()
	mkdir -p "$PACKAGES"
	while read -r p file; do newest[$p]=$file; done < <(newest_files "$@")
	for p in "$@"; do
		file=${newest[$p]:-}
		if [ -n "$file" ]; then [ -e "$PACKAGES/$file" ] || missing+=("$p")
		else compgen -G "$PACKAGES/${p}_*.deb" >/dev/null || missing+=("$p"); fi
	done
	if [ ${#missing[@]} -gt 0 ]; then
		say "downloading ${#missing[@]} packages"
		part=$(mktemp -d "$PACKAGES/.part.XXXXXX")
		(cd "$part" && apt-get "${APT_OPTIONS[@]}" -q download "${missing[@]}" | { grep --line-buffered '^Get:' || true; } |
			progress downloaded ${#missing[@]}) || say "could not download ${missing[*]}"
		! compgen -G "$part/*.deb" >/dev/null || mv "$part"/*.deb "$PACKAGES/"
		rmdir "$part"
	fi
	for p in "$@"; do
		file=$PACKAGES/${newest[$p]:-.none}
		if [ ! -e "$file" ]; then
			file=$(compgen -G "$PACKAGES/${p}_*.deb" | sort -V | tail -n 1) || fail "there is no package $p"
			[ -z "${newest[$p]:-}" ] || say "note: ${file##*/} is used, though ${newest[$p]} is newer"
		fi
		printf '%s\n' "$file"
	done
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

# The cloud kernel's package: the newest; where there are no lists, the newest in the cache.
kernel_package() {
	local kernel=
	[ -z "$LISTS" ] || kernel=$(package_behind linux-image-cloud-amd64 'linux-image-[0-9].*')
	[ -n "$kernel" ] || kernel=$({ ls "$PACKAGES" 2>/dev/null || true; } |
		sed -n 's/^\(linux-image-[0-9].*-cloud-amd64\)_.*\.deb$/\1/p' | sort -V | tail -n 1)
	[ -n "$kernel" ] || fail "no package behind linux-image-cloud-amd64: there are no package lists"
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

# The tree $1 as a read-only image $2; files that match compress hints $3 are packed. All of it is root's,
# or, with $4, owned as install_packages has kept it in that folder.
pack_image() {
	local said owners=(--all-root) as=()
	rm -f "$2"
	if [ $# -gt 3 ]; then
		# A file that was made since may have the inode number of one that is gone: it is root's.
		find "$1" -printf '%i %P\n' | LC_ALL=C sort | LC_ALL=C comm -12 - "$4/inodes" |
			awk -F '[ ,=]' 'NR == FNR {is_same[$1]; next} $4 in is_same' - "$4/owners" >"$4/owners.now"
		owners=()
		as=(sh "$4/fakeroot/usr/bin/fakeroot-sysv" --lib "$4/fakeroot/usr/lib/x86_64-linux-gnu/libfakeroot/libfakeroot-sysv.so"
			--faked "$4/fakeroot/usr/bin/faked-sysv" -i "$4/owners.now" --)
	fi
	said=$("${as[@]}" mkfs.erofs -zlz4hc,12 --compress-hints="$3" "${owners[@]}" -T 0 -U 00000000-0000-0000-0000-000000000000 \
		"$2" "$1" 2>&1 >/dev/null) || fail "mkfs.erofs: $said"
	# A persistent memory region is a multiple of 2 MiB.
	truncate -s %2M "$2"
}

# The packages $@ and all they depend on, one a line; worked out by apt as for an empty system,
# and kept beside the packages until the lists are newer.
package_closure() {
	local kept empty names
	kept="$PACKAGES/closure-$(printf '%s\n' "$@" | sort | sha256sum | cut -c 1-16)"
	if [ ! -s "$kept" ] || [ -n "$LISTS" -a "$LISTS" -nt "$kept" ]; then
		[ -n "$LISTS" ] || fail "there are no package lists"
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
		cat "$MUSTER_IMAGES/lib.sh" "$MUSTER_IMAGES/install" | sha256sum
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

# ---- packages installed by dpkg ------------------------------------------------------------

# Unpacks package $1 into the tree $2, whose /bin, /lib and so on may be links.
unpack() {
	dpkg-deb --fsys-tarfile "$1" | tar -C "$2" --keep-directory-symlink --no-same-owner -xpf -
}

# Installs the packages $4.. (files of $PACKAGES) into the empty tree $2 as dpkg does, install scripts
# included, and keeps in the folder $1 who owns which file (see pack_image). $3: names of packages, parted
# by blanks, that dpkg has to have configured before the others.
#
# Everything is unpacked first, so that dpkg and a shell are there; then dpkg installs it all once more from
# within. It runs in namespaces of its own where it is root, so that no rights are needed; owners
# other than root are kept by fakeroot (of Debian's packages, not the host's).
install_packages() {
	local work=$1 root=$2 first=$3 d name log="$1/install.log"
	shift 3
	mkdir -p "$work/fakeroot" "$root"/usr/{bin,sbin,lib,lib32,lib64,libx32} "$root"/{dev,proc,sys,run,tmp,etc,var/lib/dpkg/info}
	for d in bin sbin lib lib32 lib64 libx32; do ln -s "usr/$d" "$root/$d"; done
	for d in $(fetch_packages fakeroot libfakeroot); do dpkg-deb -x "$d" "$work/fakeroot"; done
	for d in "$@"; do unpack "$d" "$root"; echo; done | progress unpacked $#
	: >"$root/var/lib/dpkg/status"
	: >"$root/var/lib/dpkg/available"
	for name in $first; do printf '%s\n' "$@" | sed -n "s|.*/\(${name}_[^/]*\)\$|\1|p"; done >"$work/first"
	printf '%s\n' "${@##*/}" >"$work/all"
	say "installing $# packages"
	unshare --map-root-user --mount --pid --fork bash "$MUSTER_IMAGES/install" "$work" "$root" "$PACKAGES" \
		>"$log" 2>&1 </dev/null || { tail -n 30 "$log" >&2; fail "the packages could not be installed"; }
	find "$root" -printf '%i %P\n' | LC_ALL=C sort >"$work/inodes"
	# dpkg found nothing missing or half done.
	[ ! -s "$work/audit" ] || { cat "$work/audit" >&2; fail "the packages are not whole"; }
}
