# shellcheck shell=sh
# Sourced by ./run: `./run deb`, a package for Debian 12 and newer that brings its Python packages along.
#
# They are in /usr/lib/laneway, for laneway alone. What of them is compiled is there once for each Python there may be:
# CPython finds its own by the name, as pydantic_core/_pydantic_core.cpython-313-x86_64-linux-gnu.so. The library of
# python-iptables knows nothing of Python and is loaded by ctypes, which finds it as libxtwrapper.so under any.

pythons='3.11 3.12 3.13 3.14' # Debian 12 has the first, 13 the third, Ubuntu 24.04 the second
debian=integration/packaging/debian

parse_deb() { # parse_deb ARGUMENT…
    arch=$(dpkg --print-architecture)
    output=dist
    while [ $# -gt 0 ]; do
        case $1 in
        --arch=*) arch=${1#--arch=} ;;
        --output=*) output=${1#--output=} ;;
        *)
            usage >&2
            exit 2
            ;;
        esac
        shift
    done
    case $arch in
    amd64) machine=x86_64 ;;
    arm64) machine=aarch64 ;;
    *) die "laneway's package is for amd64 and arm64, not $arch" ;;
    esac
    tools=$machine-linux-gnu
}

need_to_package() {
    need_venv
    need dpkg command -v dpkg-deb
    need "binutils-$(echo "$tools" | tr _ -)" command -v "$tools-strip"
    if [ "$arch" = "$(dpkg --print-architecture)" ]; then
        need gcc command -v "$tools-gcc"
        need libc6-dev test -e /usr/include/stdio.h
    else
        need "gcc-$tools" command -v "$tools-gcc"
        need "libc6-dev-$arch-cross" test -e "/usr/$tools/include/stdio.h"
    fi
}

pip() {
    "$temporary/venv/bin/python" -m pip --quiet --disable-pip-version-check "$@" </dev/null >&2
}

bundle() { # laneway and its dependencies in $library
    # shellcheck disable=SC2154  # ./run found it
    "$python" -m venv "$temporary/venv"
    pip wheel --no-deps --wheel-dir "$temporary/wheels" .
    grep -v '^#\|^python-iptables' integration/packaging/constraints.txt >"$temporary/required"
    for version in $pythons; do
        pip install --no-deps --no-compile --target "$temporary/$version" --python-version "$version" \
            --platform "manylinux2014_$machine" --platform "manylinux_2_17_$machine" --only-binary :all: \
            --requirement "$temporary/required" "$temporary"/wheels/laneway-*.whl
        (cd "$temporary/$version" && find . -name '*.so') >"$temporary/compiled"
        [ -d "$library" ] || cp -R "$temporary/$version" "$library"
        while IFS= read -r file; do cp "$temporary/$version/$file" "$library/$file"; done <"$temporary/compiled"
    done
    bundle_iptables
    find "$library" -name '*.so' -exec "$tools-strip" --strip-unneeded {} +
    # What pip notes for itself, and for this machine: paths, and sums of files that are stripped by now.
    rm -rf "${library:?}/bin"
    find "$library" \( -name RECORD -o -name INSTALLER -o -name REQUESTED -o -name direct_url.json \) -delete
    find "$library" -name '*.py' -exec sed -i '1{/^#!/d}' {} + # none of them is a program
    find "$library" -type f -exec chmod 0644 {} +
}

bundle_iptables() { # python-iptables, which comes as source
    pip download --no-deps --no-binary :all: --dest "$temporary/source" \
        "$(grep '^python-iptables' integration/packaging/constraints.txt)"
    tar -xzf "$temporary"/source/*.tar.gz -C "$temporary/source" --strip-components=1
    cp -R "$temporary/source/iptc" "$library/iptc"
    "$tools-gcc" -O2 -fPIC -shared -Wl,-z,relro,-z,now -D_FORTIFY_SOURCE=2 \
        -o "$library/libxtwrapper.so" "$temporary/source/libxtwrapper/wrapper.c"
}

libc_version() { # the newest version of glibc that what is compiled asks for
    find "$library" -name '*.so' -exec "$tools-objdump" -T {} + | grep -o 'GLIBC_[0-9.]*' | sed 's/GLIBC_//' | sort -uV | tail -n 1
}

add_shared_files() { # manual pages, completions and units, made of laneway's own help
    pip install --constraint integration/packaging/constraints.txt typer
    pip install --no-deps "$temporary"/wheels/laneway-*.whl
    "$temporary/venv/bin/python" -m laneway.cli.shared_files "$root/usr" --prefix /usr --command /usr/bin/laneway
    find "$root/usr/share/man" -type f -exec gzip -9n {} +
    install -D -m 0755 "$debian/laneway" "$root/usr/bin/laneway"
    documents=$root/usr/share/doc/laneway
    install -D -m 0644 "$debian/copyright" "$documents/copyright"
    gzip -9nc CHANGELOG.md >"$documents/changelog.gz"
    version=$("$temporary/venv/bin/python" -c 'import laneway; print(laneway.__version__)')-1
    maintainer="${DEBFULLNAME:-laneway maintainers} <${DEBEMAIL:-maintainers@laneway.invalid}>"
    printf 'laneway (%s) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' "$version" "$maintainer" \
        "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$documents/changelog.Debian.gz"
    cp -R policies "$documents/examples"
}

add_control() {
    mkdir -m 0755 "$root/DEBIAN"
    last=3.$((${pythons##*.} + 1))
    sed -e "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@LIBC@/$(libc_version)/; s/@LAST@/$last/" \
        -e "s/@SIZE@/$(du -sk --apparent-size "$root/usr" | cut -f 1)/" \
        -e "s/@MAINTAINER@/$maintainer/" \
        "$debian/control" >"$root/DEBIAN/control"
    for script in postinst prerm postrm; do install -m 0755 "$debian/$script" "$root/DEBIAN/$script"; done
    (cd "$root" && find usr -type f -exec md5sum {} + | sort -k 2) >"$root/DEBIAN/md5sums"
}

make_deb() {
    parse_deb "$@"
    find_python
    need_to_package
    install_missing
    umask 022
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
    export SOURCE_DATE_EPOCH
    temporary=$(mktemp -d)
    trap 'rm -rf "$temporary"' EXIT
    root=$temporary/root
    library=$root/usr/lib/laneway
    mkdir -p "$root/usr/lib" "$output"
    printf 'run: packaging laneway for %s\n' "$arch" >&2
    bundle
    add_shared_files
    add_control
    find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Zxz --build "$root" "$output/laneway_${version}_$arch.deb" >&2
    printf '%s\n' "$output/laneway_${version}_$arch.deb"
}
