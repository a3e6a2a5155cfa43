#!/bin/sh
# What the Linux of the nest runs (tools/nest.py): QEMU with KVM, the machine's serial line on ttyS1.
# What QEMU's control channel tells goes to the console, for who asks how the machine ended.
cd /nest || exit

insmod irqbypass.ko && insmod kvm.ko || exit
# Bochs 3.0 refuses the descriptor of posted interrupts where it is not at the start of a page.
insmod kvm-intel.ko nested=1 enable_apicv=0 || exit
stty -F /dev/ttyS1 raw -echo 115200

for way in in out; do
    ln -s /dev/ttyS1 line.$way
    mkfifo control.$way
done
cat control.out &
echo '{"execute": "qmp_capabilities"}' >control.in &
sh command
status=$?
wait
exit $status
