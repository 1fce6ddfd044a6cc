#!/bin/sh
# Runs `./run lab` and `./run test` of this clone's HEAD on a fresh minimal Debian, by hand and as root: see usage.
set -eu

usage() {
    cat <<'TEXT'
usage: integration/fresh_debian.sh [--mirror URL] [--into DIR] RELEASE [COMMAND [ARG…]]

Makes a minimal Debian (bookworm, trixie …) with debootstrap, puts a clone of the project's HEAD in it, and runs there
`./run lab` and then `./run test`, or COMMAND in the clone instead. It has mount, pid, IPC and UTS namespaces of its own
and a root of its own (pivot_root), as a container has; the network is the machine's, for package registries alone:
every test makes network namespaces of its own. What apt and pip need (mirror, proxies, certificates, pip's settings) is
taken from this machine. Without --into all of it is gone at the end; with it DIR stays, and is taken as it is next time.
TEXT
}

die() {
    printf 'fresh_debian.sh: %s\n' "$*" >&2
    exit 1
}

machine_mirror() { # the first mirror that this machine itself installs from
    cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list 2>/dev/null |
        sed -n -e 's|^URIs: *\([^ ]*/debian/*\)\( .*\)\{0,1\}$|\1|p' -e 's|^deb \(\[[^]]*\] \)*\([^ ]*/debian/*\) .*|\2|p' |
        head -n 1
}

give() { # give PATH…: what of the machine's settings is there, at the same place
    for path; do
        [ -e "$path" ] || continue
        mkdir -p "$root${path%/*}"
        cp -RL "$path" "$root${path%/*}/"
    done
}

settings() { # how this machine reaches package registries
    # certificates as they are, and as update-ca-certificates(8) takes them when that package comes
    give /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates /etc/apt/auth.conf /etc/apt/auth.conf.d \
        /etc/pip.conf /root/.config/pip/pip.conf /root/.pip/pip.conf
    apt-config dump --format '%f "%v";%n' Acquire | grep -iE '^Acquire::([a-z]+::)?(proxy|check|retries|timeout|verify)' \
        >"$root/etc/apt/apt.conf.d/90machine" || true
    # pip may be told of folders and files, and then asks for them there too; an index's pages name files beside it
    { cat /etc/pip.conf /root/.config/pip/pip.conf /root/.pip/pip.conf 2>/dev/null; env | grep '^PIP_'; } |
        tr ' =,' '\n' | sed -n 's|^\(file://\)\{0,1\}\(/[^ ]*\)$|\2|p' | sed 's|/simple/*$||' | sort -u |
        while read -r folder; do
            [ -d "$folder" ] || continue
            mkdir -p "$root$folder"
            mount --bind -o ro "$folder" "$root$folder"
        done
}

devices() { # of its own: whoever changed the mode of the machine's /dev/null would have changed it for all
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/net"
    while read -r name major minor; do
        mknod -m 666 "$root/dev/$name" c "$major" "$minor"
    done <<TEXT
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
net/tun 10 200
TEXT
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    for name in fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
        to=${name#*:}
        ln -s "/proc/self/$to" "$root/dev/${name%:*}"
    done
}

bootstrap() {
    command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install --no-install-recommends debootstrap"
    [ -n "$mirror" ] || mirror=$(machine_mirror)
    [ -n "$mirror" ] || die "this machine's sources name no Debian mirror: give one with --mirror"
    debootstrap --variant=minbase "$release" "$root" "$mirror" >"$root.log" 2>&1 || { tail "$root.log" >&2; die "debootstrap"; }
    # no program that a package brings is started by being installed
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    : >"$root/made"
}

inside() { # in namespaces of its own: everything mounted here is gone with them
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    devices
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    settings
    git clone --quiet --no-local --depth 1 "file://$project" "$root/clone"
    mkdir -p "$root/laneway"
    # of an earlier run only what was installed stays
    find "$root/laneway" -mindepth 1 -maxdepth 1 ! -name .venv ! -name .tox -exec rm -rf {} +
    cp -a "$root/clone/." "$root/laneway/"
    rm -rf "$root/clone"
    mkdir -p "$root/machine"
    cd "$root"
    pivot_root . machine
    cd /laneway
    umount -l /machine
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8
    export PATH HOME LC_ALL
    if [ $# -gt 0 ]; then
        exec "$@"
    fi
    apt-get -q update
    apt-get -q -y install --no-install-recommends python3 # what `./run` asks of a host beside Debian
    ./run lab
    ./run test
}

mirror='' into=''
while [ $# -gt 0 ]; do
    case $1 in
    --mirror) mirror=${2:?--mirror URL} && shift 2 ;;
    --into) into=${2:?--into DIR} && shift 2 ;;
    -h | --help) usage && exit ;;
    -*) usage >&2 && exit 2 ;;
    *) break ;;
    esac
done
[ $# -gt 0 ] || { usage >&2 && exit 2; }
release=$1
shift
project=$(cd "$(dirname "$0")/.." && pwd)
if [ "${FRESH_DEBIAN_ROOT-}" ]; then
    root=$FRESH_DEBIAN_ROOT
    unset FRESH_DEBIAN_ROOT
    inside "$@"
    exit
fi
[ "$(id -u)" = 0 ] || die "debootstrap and mount(2) need root"
if [ "$into" ]; then
    mkdir -p "$into"
    root=$(cd "$into" && pwd)/root
else
    above=$(mktemp -d /var/tmp/fresh-debian.XXXXXX)
    trap 'rm -rf --one-file-system "$above"' EXIT
    trap 'exit 130' INT TERM HUP
    root=$above/root
fi
[ -e "$root/made" ] || bootstrap
FRESH_DEBIAN_ROOT=$root unshare --mount --propagation private --pid --fork --kill-child --ipc --uts "$0" "$release" "$@"
