# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced by scripts that have set $program and $top (the source tree): installs missing packages,
# and builds.

build=$top/build

build_packages="gcc libc6-dev libcap-ng-dev libinih-dev libjansson-dev libmnl-dev \
	libnetfilter-queue-dev libpcap-dev libseccomp-dev meson ninja-build pkg-config zlib1g-dev"
run_packages="iptables nftables"
# Programs in common use, whose traffic tests send through the box; no package starts a service.
software_packages="curl dropbear-bin git libio-socket-inet6-perl openssh-client python3 \
	python3-yaml rsync swaks uidmap"
# To look at pages in a browser.
page_packages="chromium chromium-driver python3-selenium"

lint_packages="clang-format clang-tidy cppcheck git pyflakes3"
tool_packages="bash binutils gcovr iproute2 jq libcriterion-dev scdoc python3-dpkt systemd tshark \
	util-linux wireshark-common zsh"

die() {
	echo "$program: $*" >&2
	exit 2
}

# Waits if another apt is at work, such as the machine's own at night.
wait_apt_get() {
	apt-get -o DPkg::Lock::Timeout=300 "$@"
}

# Installs Debian packages that are missing; without root, says what to run.
need_packages() {
	command -v dpkg-query >/dev/null || return 0	# not Debian: meson names what is missing
	missing=$(
		dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
		awk -v wanted="$*" '$2 == "installed" { there[$1] = 1 }
			END {
				n = split(wanted, name)
				for (i = 1; i <= n; i++)
					if (!there[name[i]])
						printf " %s", name[i]
			}')
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		die "packages are missing; run:" \
			"sudo apt-get install --no-install-recommends$missing"
	fi
	echo "$program: installing$missing"
	log=$(mktemp)
	if ! { wait_apt_get update && DEBIAN_FRONTEND=noninteractive \
		wait_apt_get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
		cat "$log" >&2
		rm -f "$log"
		die "apt-get could not install$missing: see above"
	fi
	rm -f "$log"
}

# depends_on PACKAGE BEGINNING: the package that PACKAGE stands for today; its name begins so.
depends_on() {
	find_dependency() {
		apt-cache show --no-all-versions "$1" 2>/dev/null |
			sed -n "s/^Depends: \\($2[^ ,]*\\).*/\\1/p" | grep .
	}
	find_dependency "$@" && return
	[ "$(id -u)" -ne 0 ] || wait_apt_get update >/dev/null 2>&1 || true
	find_dependency "$@" || die "there is no package $1 here: this needs Debian; if this is" \
		"Debian, run: sudo apt-get update"
}

# unpack FOLDER PACKAGE...: fetches Debian packages, and unpacks them there; installs nothing.
unpack() {
	to=$1
	shift
	mkdir -p "$to/deb"
	if ! log=$(cd "$to/deb" && { wait_apt_get download "$@" ||
		{ wait_apt_get update && wait_apt_get download "$@"; }; } 2>&1); then
		echo "$log" >&2
		die "apt-get could not download $*: see above"
	fi
	for deb in "$to"/deb/*.deb; do
		dpkg -x "$deb" "$to"
	done
	rm -r "$to/deb"
}

# Builds into build/, with these meson options. Prints nothing unless build/ is new or it fails.
# Another one may be at it: two at a time would fail.
build() {
	[ -e "$build/build.ninja" ] || echo "$program: building"
	mkdir -p "$build"
	exec 8>"$build/.lock"
	flock 8
	if ! log=$({ [ -e "$build/build.ninja" ] || meson setup "$build" "$top"; } 2>&1 &&
		meson configure "$build" "$@" 2>&1 && ninja -C "$build" 2>&1); then
		echo "$log" >&2
		die "the build failed: see above"
	fi
	exec 8>&-
}
