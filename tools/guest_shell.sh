#!/bin/sh
# The shell of our initramfs, on a terminal of its own. The serial line cannot tell how large the
# terminal at its other end is, so the kernel's command line does.
cd /root || exit

read -r words </proc/cmdline
for word in $words; do
    case $word in
    orlop.rows=*) stty rows "${word#*=}" ;;
    orlop.columns=*) stty cols "${word#*=}" ;;
    esac
done

below=$(below) || below='what runs below is not known'
printf '\n%s on %s CPUs, %s.\n' "Linux $(uname -r)" "$(nproc)" "$below"
echo 'poweroff ends the run; Ctrl-C and job control work.'
printf 'To read on: README.md and docs/options.md in the tree of Orlop.\n\n'
export PS1='\w # '
exec sh
