#!/bin/sh
# Installs through apt what is missing for a target: deps.sh build|run|gdb|test|lint|bochs|all.
# With a terminal it shows the one apt line and asks; as root without one it goes on; otherwise it
# prints the line and stops. deps.txt is the list. Nothing else on the machine is touched.
set -u

target=${1:-all}
list=$(dirname "$0")/deps.txt
# For tests of this script.
dpkg_query=${DPKG_QUERY:-dpkg-query}
apt_get=${APT_GET:-apt-get}

case $target in
build|run|gdb|test|lint|bochs|all) ;;
*) echo "usage: deps.sh build|run|gdb|test|lint|bochs|all" >&2; exit 2 ;;
esac

# Everything needs the build's packages; `all` needs every package.
wanted=$(awk -v target="$target" \
    '/^[^#]/ && ($2 == "build" || $2 == target || target == "all") { print $1 }' "$list" | sort -u)

if ! command -v "$dpkg_query" >/dev/null 2>&1; then
    echo "deps: not a Debian system; needed are:" "$wanted" >&2
    exit 0
fi

# shellcheck disable=SC2016 # dpkg-query reads these itself
installed=$("$dpkg_query" -W -f='${db:Status-Abbrev} ${Package}\n' 2>/dev/null |
    awk '$1 == "ii" || $1 == "hi" { print $NF }' | sort -u)
missing=
for package in $wanted; do
    if ! printf '%s\n' "$installed" | grep -qx -- "$package"; then
        missing="$missing $package"
    fi
done
if [ -z "$missing" ]; then
    [ "${DEPS_QUIET:-}" ] || echo "deps: nothing is missing for $target"
    exit 0
fi

echo "deps: missing for $target:" >&2
for package in $missing; do
    purpose=$(awk -v package="$package" \
        '$1 == package { $1 = ""; $2 = ""; print substr($0, 3); exit }' "$list")
    printf '    %-22s %s\n' "$package" "$purpose" >&2
done

as_root=
[ "$(id -u)" = 0 ] || as_root="sudo "
line="${as_root}apt-get install --no-install-recommends -y$missing"

if [ -t 0 ] && [ -t 2 ]; then
    printf '%s\nRun this line? [Y/n] ' "$line" >&2
    read -r answer || answer=n
    case $answer in
    ''|y|Y|yes|Yes) ;;
    *) echo "deps: nothing installed" >&2; exit 1 ;;
    esac
elif [ "$as_root" ]; then
    printf 'deps: install them with\n    %s\n' "$line" >&2
    exit 1
else
    printf 'deps: %s\n' "$line" >&2
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
fi

# A machine that is new has no package lists, and old lists name packages that are gone.
# shellcheck disable=SC2086 # the words are meant to be split
install() { ${as_root}"$apt_get" install --no-install-recommends -y $missing; }
# shellcheck disable=SC2086
if ! install; then
    ${as_root}"$apt_get" update && install
fi
