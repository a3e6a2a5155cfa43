#!/bin/sh
# Static checks of all sources. Each tool that is missing is an error: `make deps` installs it.
set -u
cd "$(dirname "$0")/.." || exit 2
status=0

for tool in clang-format clang-tidy cppcheck; do
    if ! command -v $tool >/dev/null; then
        echo "lint: $tool is missing: run \`make deps\`" >&2
        exit 2
    fi
done
python=/usr/bin/python3
[ -x $python ] || python=python3

run() {
    what=$1
    shift
    if "$@"; then
        echo "lint: $what: ok"
    else
        echo "lint: $what: FAILED"
        status=1
    fi
}

c_files=$(git ls-files -co --exclude-standard -- '*.c' '*.h')
sources=$(git ls-files -co --exclude-standard -- '*.c' ':!tests')
python_files=$(git ls-files -co --exclude-standard -- '*.py')
shell_files=$(git ls-files -co --exclude-standard -- '*.sh' .ci/run)

# What clang-tidy looks for. Tables made by macros and bits in plain integers are the house style.
checks='-*,bugprone-*,clang-analyzer-core.*,clang-analyzer-deadcode.*,misc-redundant-expression'
checks="$checks,misc-static-assert,readability-misleading-indentation,readability-redundant-*"
for off in easily-swappable-parameters reserved-identifier assignment-in-if-condition \
    implicit-widening-of-multiplication-result macro-parentheses branch-clone narrowing-conversions
do
    checks="$checks,-bugprone-$off"
done

# shellcheck disable=SC2086 # lists of names without blanks
{
    run layers $python tools/check_layers.py
    run clang-format clang-format --dry-run -Werror $c_files
    run clang-tidy clang-tidy --quiet --warnings-as-errors='*' \
        --checks="$checks" $sources -- \
        -std=gnu11 -O2 -ffreestanding -mgeneral-regs-only -mno-red-zone -mcmodel=kernel -I.
    # comparePointers: symbols of the linker; uninitvar: variables that inline assembly writes.
    run cppcheck cppcheck --quiet --error-exitcode=1 --std=c11 --platform=unix64 --inline-suppr \
        --enable=warning,portability --suppress=missingIncludeSystem \
        --suppress=comparePointers --suppress=uninitvar -I. $sources
    if command -v pyflakes3 >/dev/null; then
        run pyflakes pyflakes3 $python_files
        # What lies between `python` and `end` in a file of gdb's.
        run 'pyflakes tools/orlop.gdb' sh -c \
            "sed '1,/^python\$/d; /^end\$/,\$d' tools/orlop.gdb | pyflakes3"
    else
        run 'python syntax' $python -c 'import ast, sys
for name in sys.argv[1:]: ast.parse(open(name).read(), name)' $python_files
    fi
    for file in $shell_files; do
        run "sh -n $file" sh -n "$file"
    done
    if command -v shellcheck >/dev/null; then
        run shellcheck shellcheck $shell_files
    fi
}
exit $status
