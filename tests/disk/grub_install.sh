#!/bin/sh
# Of the Linux that make_disk.py starts: grub-install as it is run on any Debian, for the disk /dev/sda.
while read -r module; do
    insmod "/orlop/$module" || exit
done </orlop/modules
mkdir /target
mount -t ext4 /dev/sda1 /target || exit
/usr/sbin/grub-install --target=i386-pc --boot-directory=/target/boot --fonts= --locales= --themes= \
    /dev/sda || exit
umount /target && echo "grub-install: done"
