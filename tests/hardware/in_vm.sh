#!/bin/bash
# in_vm.sh [PYTEST OPTIONS, no spaces in them]: boots Debian's kernel with its vivid camera driver in QEMU and runs the
# tests of this folder there as root; three minutes without virtualization. Needs Debian or Ubuntu on x86-64, root, and
# mmdebstrap qemu-system-x86 kmod cpio e2fsprogs gcc pip. Builds $VM (build/vm) once: half a minute, up to 900 MB.
set -euo pipefail
HERE=$(cd "$(dirname "$0")"; pwd); REPO=$(cd "$HERE/../.."; pwd); VM=${VM:-$REPO/build/vm}; SUITE=bookworm
MIRROR=${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -1)}
mkdir -p "$VM"; cd "$VM"

if [ ! -e disk.img ]; then
    rm -rf root initramfs
    mmdebstrap --variant=extract --architectures=amd64 --include=base-files,python3.11,python3-minimal,libpython3.11-stdlib,libstdc++6,zlib1g,bash,coreutils,mount,kmod,v4l-utils,busybox-static,linux-image-amd64 \
        "$SUITE" root "$MIRROR"
    pip install -q --target root/opt/site --only-binary=:all: --python-version 3.11 --implementation cp \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 \
        ai-edge-litert numpy opencv-python-headless click msgspec pytest
    gcc -shared -fPIC -O1 -o root/opt/pad_rows.so "$HERE/pad_rows.c" -ldl
    V=$(ls root/lib/modules); depmod -b "$VM/root" "$V"
    mkdir -p initramfs/{bin,proc,sys,dev,root,modules} root/{proc,sys,dev,run,tmp,repo}
    cp root/bin/busybox initramfs/bin/; mv "root/boot/vmlinuz-$V" vmlinuz; rm root/boot/*
    for module in virtio_pci virtio_blk ext4 9pnet_virtio 9p crc32c_generic; do
        modprobe -d "$VM/root" -S "$V" --show-depends $module | awk '/^insmod/ {print $2}'
    done | awk '!seen[$0]++' | while read -r file; do cp "$file" initramfs/modules/; basename "$file"; done > initramfs/order
    cat > initramfs/init <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /order); do /bin/busybox insmod /modules/$module; done
until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /root
/bin/busybox mount --move /dev /root/dev
exec /bin/busybox switch_root /root /opt/init
INIT
    cat > root/opt/init <<'INIT'
#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PYTHONPATH=/repo:/opt/site PYTHONDONTWRITEBYTECODE=1
export EDGECNN_VIVID=1 EDGECNN_PAD_ROWS=/opt/pad_rows.so
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t tmpfs tmp /tmp; mount -t tmpfs run /run
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,ro repo /repo
cd /repo; [[ $(< /proc/cmdline) =~ pytest=\"?([^\"]*) ]]; read -r -a options <<< "${BASH_REMATCH[1]}"
python3.11 -m pytest -p no:cacheprovider --confcutdir tests/hardware tests/hardware -s "${options[@]}"
echo "in_vm: exit code $?"; busybox poweroff -f
INIT
    chmod +x initramfs/init root/opt/init
    find root/lib/modules -name '*.ko' | grep -v -E '/drivers/media/|/9p/|/netfs/|/drivers/cec/' | xargs rm -f
    (cd initramfs; find . | cpio -o -H newc --quiet | gzip -1) > initrd.gz
    truncate -s 900M disk.tmp; mke2fs -q -t ext4 -O ^has_journal -d root disk.tmp; mv disk.tmp disk.img; rm -rf root initramfs
fi

qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1536 -nodefaults -no-user-config -display none -serial stdio \
    -no-reboot -net none -kernel vmlinuz -initrd initrd.gz -drive file=disk.img,if=virtio,format=raw,snapshot=on \
    -append "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr tsc=reliable pytest=\"$*\"" \
    -virtfs "local,path=$REPO,mount_tag=repo,security_model=none,readonly=on,multidevs=remap" </dev/null | tee vm.log
grep -q "in_vm: exit code 0" vm.log
