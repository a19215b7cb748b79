# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced by testbed/vm: runs the command under Debian's own kernel, in QEMU, which emulates the
# processor and so needs no KVM. The kernel is unpacked, never installed. The virtual machine has no
# network device.

vm=$build/vm
qemu_packages="kmod qemu-system-x86 util-linux"

# busybox-static is not installed either, because it conflicts with busybox.
unpack_kernel() {
	[ ! -e "$vm/release" ] || return 0
	package=$(depends_on linux-image-amd64 linux-image-)
	echo "$program: fetching $package" >&2
	rm -rf "$vm" "$vm.part"
	unpack "$vm.part" "$package" busybox-static
	# Packages have modules in one of these folders, and kmod looks in one: make both work.
	mkdir -p "$vm.part/lib" "$vm.part/usr/lib"
	[ -e "$vm.part/lib/modules" ] || ln -sT ../usr/lib/modules "$vm.part/lib/modules"
	[ -e "$vm.part/usr/lib/modules" ] || ln -sT ../../lib/modules "$vm.part/usr/lib/modules"
	depmod -b "$vm.part" "${package#linux-image-}"
	echo "${package#linux-image-}" >"$vm.part/release"
	mv "$vm.part" "$vm"
}

# One word, quoted for sh.
quote() {
	printf '%s\n' "$1" | sed "s/'/'\\\\''/g; 1s/^/'/; \$s/\$/'/"
}

# Makes the initramfs in ./tree: its init mounts this machine's files and hands over to the job.
make_tree() {
	mkdir -p tree/bin tree/modules tree/host tree/layer tree/new
	cp "$(find "$vm" -path '*bin/busybox' -type f)" tree/bin/busybox

	# The modules, in the order in which they must be loaded; those built in are not listed.
	modprobe -a -d "$vm" -S "$release" --show-depends virtio_pci 9pnet_virtio 9p overlay \
		virtio_console >modules
	number=100
	sed -n 's/^insmod \(.*[^ ]\) *$/\1/p' modules | awk '!seen[$0]++' |
	while read -r module; do
		cp "$module" "tree/modules/$number-${module##*/}"
		number=$((number + 1))
	done

	cat >tree/init <<-'END'
		#!/bin/busybox sh
		set -e
		/bin/busybox --install -s /bin
		export PATH=/bin
		for module in /modules/*; do
			insmod "$module"
		done
		mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 host /host
		mount -t tmpfs layer /layer
		mkdir /layer/upper /layer/work
		mount -t overlay \
			-o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work new /new
		mount -t proc proc /new/proc
		mount -t sysfs sys /new/sys
		mount -t devtmpfs dev /new/dev
		mkdir -p /new/dev/pts /new/dev/shm
		mount -t devpts -o mode=620,ptmxmode=666 devpts /new/dev/pts
		mount -t tmpfs -o mode=1777 shm /new/dev/shm
		mount -t tmpfs -o mode=755 run /new/run
		ip link set lo up
		cp /job /bin/busybox /new/run
		exec switch_root /new /bin/sh /run/job
	END
	chmod +x tree/init

	# The job waits for the driver, which makes the ports only a moment after its start.
	{
		echo "modules=$(quote "$vm/lib/modules/$release")"
		echo "directory=$(quote "$directory")"
		echo "export PATH=$(quote "$path") HOME=/root"
		for word in "$@"; do
			echo "set -- \"\$@\" $(quote "$word")"
		done
		cat <<-'END'
			mkdir -p /lib/modules
			ln -sfn "$modules" /lib/modules/
			until [ -c /dev/vport0p1 ] && [ -c /dev/vport0p2 ] &&
				[ -c /dev/vport0p3 ]; do
				:
			done
			(cd "$directory" && exec "$@") </dev/null >/dev/vport0p1 2>/dev/vport0p2
			echo $? >/dev/vport0p3
			exec /run/busybox poweroff -f
		END
	} >tree/job
}

# Passes on one stream of the machine; ends when the machine and this script have closed it.
pass() {
	exec <"$1" 3>&- 4>&-
	cat || kill -s PIPE $$ 2>/dev/null
}

machine=
work=
finish() {
	trap '' HUP INT PIPE TERM
	if [ -n "$machine" ]; then
		kill "$machine" 2>/dev/null || true
		wait "$machine" || true
	fi
	[ -z "$work" ] || rm -rf "$work"
}

# Runs a command; ends the script with its status.
run_in_qemu() {
	unpack_kernel
	read -r release <"$vm/release"

	trap finish EXIT
	trap 'exit 2' HUP INT PIPE TERM
	work=$(mktemp -d)
	cd "$work"
	make_tree "$@"
	(cd tree && find . | bin/busybox cpio -o -H newc 2>../cpio.log) >initramfs
	mkfifo stdout stderr
	exec 3<>stdout 4<>stderr
	pass stdout &
	pass stderr >&2 &

	# setpriv ends the machine with the script, however that ends. virtio-serial is the first
	# device, so its ports are vport0p1 and up.
	setpriv --pdeathsig TERM timeout -k 5 "$limit" \
		qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1G -no-user-config -nodefaults \
		-display none -no-reboot \
		-kernel "$vm/boot/vmlinuz-$release" -initrd initramfs \
		-append "console=ttyS0 quiet panic=-1" \
		-serial file:console \
		-chardev file,id=stdout,path=stdout -chardev file,id=stderr,path=stderr \
		-chardev file,id=status,path=status \
		-device virtio-serial-pci \
		-device virtserialport,nr=1,chardev=stdout \
		-device virtserialport,nr=2,chardev=stderr \
		-device virtserialport,nr=3,chardev=status \
		-fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
		-device virtio-9p-pci,fsdev=host,mount_tag=host \
		</dev/null >qemu.log 2>&1 3>&- 4>&- &
	machine=$!
	ended=0
	wait "$machine" || ended=$?
	machine=
	exec 3>&- 4>&-
	wait

	if [ -s status ]; then
		read -r status <status
		exit "$status"
	fi
	cat qemu.log console | tr -d '\r' >&2
	[ "$ended" -ne 124 ] || die "not done after $limit seconds: ended"
	die "the virtual machine stopped before the command was done: see above"
}
