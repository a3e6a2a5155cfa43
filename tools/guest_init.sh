#!/bin/sh
# /init of our initramfs: the first program of the Linux guest. Where INITRD_ADD brought /orlop/run,
# it runs that and powers off; else it becomes busybox's init, which keeps a shell on each console.
export PATH=/orlop:/sbin:/bin HOME=/root TERM=vt100

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts
mount -t devpts -o ptmxmode=0666 devpts /dev/pts

if [ -x /orlop/run ]; then
    /orlop/run
    echo "init: /orlop/run ended with status $?"
    stty onlcr  # waits until the console has sent all of it
    poweroff -f
fi

# From here on the console is the shell's: warnings and worse still get through.
dmesg -n 5
read -r consoles </sys/class/tty/console/active
for console in $consoles; do
    [ "$console" != tty0 ] || console=tty1  # tty0 is whichever is shown, and can control nothing
    echo "$console::respawn:-/bin/guest-shell"
done >/etc/inittab
echo '::ctrlaltdel:reboot' >>/etc/inittab
exec init
