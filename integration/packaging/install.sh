# shellcheck shell=sh
# Sourced by ./run: `./run install` and `./run uninstall`.
#
# DIR/lib/laneway/installed lists what was put below DIR outside DIR/lib/laneway: files, and directories that were made
# for them, with a slash at the end. Uninstalling takes away exactly that.

prefix=/usr/local

parse_prefix() { # parse_prefix ARGUMENT…
    while [ $# -gt 0 ]; do
        case $1 in
        --prefix)
            prefix=${2:?"--prefix needs a directory"}
            shift 2
            ;;
        --prefix=*)
            prefix=${1#--prefix=}
            shift
            ;;
        *)
            usage >&2
            exit 2
            ;;
        esac
    done
    case $prefix in
    /*[!/]*) prefix=${prefix%/} ;;
    *) die "--prefix takes an absolute path below /, as /usr/local" ;;
    esac
    library=$prefix/lib/laneway
    listed=$library/installed
}

packages() { # the packages of this system, one a line
    # shellcheck disable=SC2016  # dpkg-query's own variable
    dpkg-query -W -f '${Package}\n' 2>/dev/null | sort
}

clean_up() { # what was there for the build alone, the compiler too
    compilers=
    [ ! -e "$temporary/packages" ] || compilers=$(packages | comm -13 "$temporary/packages" -)
    if [ -n "$compilers" ]; then
        printf 'run: removing what was installed to compile\n' >&2
        # shellcheck disable=SC2086  # a list of package names
        DEBIAN_FRONTEND=noninteractive apt-get -q -y purge $compilers </dev/null >&2
    fi
    rm -rf "$temporary"
}

build_wheels() { # laneway and all that it needs, in $temporary/wheels
    packages >"$temporary/packages"
    need_compiler
    install_missing
    # shellcheck disable=SC2154  # ./run found it
    "$python" -m venv "$temporary/venv"
    "$temporary/venv/bin/python" -m pip wheel --quiet --disable-pip-version-check \
        --constraint integration/packaging/constraints.txt --wheel-dir "$temporary/wheels" . </dev/null >&2
}

make_venv() { # of the wheels and nothing besides, without pip
    version='import sys; print(*sys.version_info[:2])'
    if [ "$("$library/venv/bin/python" -c "$version" 2>/dev/null)" != "$("$python" -c "$version")" ]; then
        rm -rf "$library/venv" # none, or one of a Python that is gone
    fi
    "$python" -m venv --without-pip "$library/venv"
    "$temporary/venv/bin/python" -m pip --python "$library/venv/bin/python" install --quiet \
        --disable-pip-version-check --no-index --find-links "$temporary/wheels" --force-reinstall laneway </dev/null >&2
}

make_directory() { # make_directory DIRECTORY: and list what had to be made
    if [ ! -d "$1" ]; then
        make_directory "${1%/*}"
        mkdir "$1"
        printf '%s/\n' "$1" >>"$temporary/listed"
    fi
}

put() { # put FILE: a file of $temporary/share to its place below the prefix
    make_directory "$prefix/$(dirname "$1")"
    cp -P --remove-destination "$temporary/share/$1" "$prefix/$1"
    printf '%s\n' "$prefix/$1" >>"$temporary/listed"
}

remove() { # remove LIST: the last first, directories only when they are empty
    sed '1!G;h;$!d' "$1" | while IFS= read -r path; do
        case $path in
        */) rmdir "$path" 2>/dev/null || : ;;
        *) rm -f "$path" ;;
        esac
    done
}

install_laneway() {
    parse_prefix "$@"
    find_python
    need iproute2 command -v ip
    need iptables command -v iptables
    need_venv
    install_missing
    umask 022
    temporary=$(mktemp -d)
    trap clean_up EXIT
    # Directories that an earlier install made are still to be removed; its files are, where this one has them not.
    if [ -e "$listed" ]; then cp "$listed" "$temporary/before"; else : >"$temporary/before"; fi
    grep '/$' "$temporary/before" >"$temporary/listed" || :
    make_directory "$library" 2>/dev/null || die "cannot write to $prefix: run it as root"
    [ -w "$library" ] || die "cannot write to $library: run it as root"
    printf 'run: building laneway\n' >&2
    build_wheels
    make_venv
    mkdir -p "$temporary/share/bin"
    ln -s ../lib/laneway/venv/bin/laneway "$temporary/share/bin/laneway"
    "$library/venv/bin/python" -m laneway.cli.shared_files "$temporary/share" \
        --prefix "$prefix" --command "$prefix/bin/laneway"
    (cd "$temporary/share" && find . ! -type d | sed 's|^\./||' | sort) >"$temporary/files"
    while IFS= read -r file; do put "$file"; done <"$temporary/files"
    grep -vxF -f "$temporary/listed" "$temporary/before" >"$temporary/gone" || :
    remove "$temporary/gone"
    cp "$temporary/listed" "$listed"
    printf '%s\n' "installed: $prefix/bin/laneway ($("$prefix/bin/laneway" --version))" \
        'To hold the policy after a reboot: laneway service install'
}

uninstall_laneway() {
    parse_prefix "$@"
    [ -e "$listed" ] || die "below $prefix there is nothing that ./run install put there"
    [ -w "$listed" ] || die "cannot write to $prefix: run it as root"
    # Units must not call what is gone. Those of a prefix that systemd does not know are in /etc, if at all.
    if [ "$prefix" = /usr/local ] || grep -qsF "$prefix/bin/laneway" /etc/systemd/system/laneway-boot.service; then
        "$prefix/bin/laneway" service remove || printf 'run: its units may still be enabled\n' >&2
    fi
    temporary=$(mktemp -d)
    trap 'rm -rf "$temporary"' EXIT
    cp "$listed" "$temporary/listed"
    rm -rf "$library"
    remove "$temporary/listed"
    printf 'uninstalled from %s\n' "$prefix"
    [ ! -d /var/lib/laneway ] ||
        printf 'What laneway made of this network stays until a reboot, /etc/laneway and /var/lib/laneway stay.\n' >&2
}
