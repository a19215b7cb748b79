# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced after prepare.sh: builds the kernel of User-mode Linux, once, from Debian's source. The
# kernel in Debian's package user-mode-linux lacks time travel.

uml=$build/uml
uml_nice=	# a command to run the build under, such as nice -n 19
uml_packages="bc binutils bison flex gcc iproute2 libc6-dev make python3 util-linux \
	xz-utils"

# A checksum of what the kernel is built from, to notice an outdated kernel. Raise the number if a
# change of uml_build_alone() makes another kernel from the same files.
uml_recipe() {
	{ echo 1 && cat "$top/testbed/dev/uml.config" "$top/testbed/dev/uml-seed.c"; } |
		sha256sum | cut -d ' ' -f 1
}

# Is that kernel there, whole, and of this recipe?
uml_is_built() {
	[ "$(cat "$uml/recipe" 2>/dev/null)" = "$(uml_recipe)" ] &&
		(cd "$uml" && sha256sum --status -c sums 2>/dev/null)
}

# On a terminal, shows how many files have been compiled.
uml_progress() {
	count=0
	while read -r what _; do
		case $what in
		CC | AS | LD | AR) count=$((count + 1)) ;;
		esac
		[ ! -t 2 ] ||
			printf '\r%s: building User-mode Linux: %d files' "$program" "$count" >&2
	done
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

# Waits if another process is building the kernel, which is then built for this one, too.
uml_build() {
	! uml_is_built || return 0
	exec 9>"$build/uml.lock"
	flock 9
	uml_build_alone
	exec 9>&-
}

uml_build_alone() {
	! uml_is_built || return 0
	package=$(depends_on linux-source linux-source-)
	echo "$program: building User-mode Linux from $package, once: this takes some minutes" >&2
	rm -rf "$uml" "$uml.part"
	unpack "$uml.part/package" "$package"
	mkdir "$uml.part/source"
	tar -xf "$uml.part/package/usr/src/$package.tar.xz" -C "$uml.part/source" \
		--strip-components 1
	rm -r "$uml.part/package"
	(
		cd "$uml.part"
		# The caller's environment must not affect this kernel.
		make="env -i PATH=$PATH ${uml_nice-} make -C source ARCH=um"
		$make KCONFIG_ALLCONFIG="$top/testbed/dev/uml.config" allnoconfig >log 2>&1
		grep '^CONFIG' "$top/testbed/dev/uml.config" >wanted
		if grep -vxFf source/.config wanted >missing; then
			echo "not known to $package: $(tr '\n' ' ' <missing)" >>log
			exit 1
		fi
		{ $make -j"$(nproc)" linux 2>&1 && touch done; } | tee -a log | uml_progress
		[ -e done ]
		cp source/linux .
		gcc -shared -fPIC -O2 -o seed.so "$top/testbed/dev/uml-seed.c"
		# Where the guest's clock and its running task are, for testbed/dev/uml-run.
		nm linux | grep -E ' (time_travel_time|cpu_tasks|init_task)$' |
			awk '{ print $3, $1 }' >symbols
		rm -r source wanted missing done log
	) || {
		tail -n 40 "$uml.part/log" >&2
		die "User-mode Linux could not be built: see above"
	}
	(cd "$uml.part" && sha256sum linux seed.so symbols >sums)
	uml_recipe >"$uml.part/recipe"
	mv "$uml.part" "$uml"
}
