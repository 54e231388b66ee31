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
		(cd "$part" && apt-get "${APT_OPTIONS[@]}" -qq download "${missing[@]}" >&2) ||
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
