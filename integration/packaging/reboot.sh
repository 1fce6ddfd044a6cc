#!/bin/sh
# Shows, with systemd as PID 1, that tenants' packets pass after a reboot before anybody has logged in.
#
# usage: integration/packaging/reboot.sh TREE DEB      as root; not part of ./run test: it takes some minutes
#
# TREE is a root file system as debootstrap makes it, and is copied:
#   debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2,iptables,nftables,python3,iputils-ping \
#       trixie /srv/trixie
# DEB is what `./run deb` made. The machine itself is not touched: all is done in a network and a mount namespace of its
# own, with a /run of its own; systemd-nspawn (package systemd-container) boots the copy.
set -eu

if [ "${3-}" != inside ]; then
    exec unshare --net --mount --propagation private sh "$0" "$1" "$2" inside
fi
mount -t tmpfs tmpfs /run
tree=$(mktemp -d /tmp/laneway-reboot.XXXXXX)
init=
trap '[ -z "$init" ] || kill -9 "$init" 2>/dev/null || :; rm -rf "$tree"' EXIT
cp -a "$1/." "$tree"
cp "$2" "$tree/root/laneway.deb"
chroot "$tree" dpkg -i /root/laneway.deb >"$tree/root/dpkg.log" 2>&1 || { cat "$tree/root/dpkg.log"; exit 1; }

cat >"$tree/etc/systemd/network/10-eth0.network" <<'END'
[Match]
Name=eth0
[Network]
Address=192.0.2.2/24
Address=2001:db8:a::2/64
Gateway=192.0.2.1
Gateway=2001:db8:a::1
IPv6AcceptRA=no
LinkLocalAddressing=no
END
mkdir -p "$tree/etc/laneway"
cat >"$tree/etc/laneway/policy.toml" <<'END'
[uplinks.north]
interface = "eth0"
gateways = ["192.0.2.1", "2001:db8:a::1"]
[tenants.acme]
subnets = ["10.20.0.0/24", "fd20::/64"]
uplinks = ["north"]
[tenants.acme.workloads.web]
addresses = ["10.20.0.10", "fd20::10"]
END
sed 's/"10.20.0.10", /"10.20.0.11", /' "$tree/etc/laneway/policy.toml" >"$tree/root/other.toml"
chroot "$tree" systemctl -q enable systemd-networkd nftables
chroot "$tree" systemctl -q disable getty@tty1 2>/dev/null || :

say() { printf '%s\n' "== $*"; }

boot() { # a fresh network, and systemd in it
    ip netns add host
    ip netns add provider
    ip link add eth0 netns host type veth peer name provider0 netns provider
    ip -n provider addr add 192.0.2.1/24 dev provider0
    ip -n provider addr add 2001:db8:a::1/64 dev provider0 nodad
    ip -n provider link set lo up
    ip -n provider link set provider0 up
    ip -n provider addr add 203.0.113.9/32 dev lo
    ip -n provider addr add 2001:db8:ffff::9/128 dev lo
    # /proc/sys/net is the container's own, as its network is.
    SYSTEMD_NSPAWN_API_VFS_WRITABLE=network systemd-nspawn --quiet --directory "$tree" --boot --network-namespace-path=/run/netns/host --register=no --keep-unit --capability=CAP_NET_ADMIN \
        --console=pipe </dev/null >"$tree/root/console" 2>&1 &
    nspawn=$!
    until init=$(pgrep -P "$nspawn") && [ -e "/proc/$init/root/run/systemd/system" ]; do
        kill -0 "$nspawn" || { cat "$tree/root/console"; exit 1; }
        sleep 0.2
    done
    until state=$(on systemctl is-system-running --wait 2>/dev/null) || [ "$state" = degraded ]; do sleep 1; done
    say "booted: $state, $(on cat /etc/debian_version)"
}

on() { # on COMMAND…: inside, in the namespaces of its PID 1
    nsenter --target "$init" --mount --net --pid --uts --ipc -- "$@"
}

gone() { # after a shutdown or a power cut: nothing is left but the disk
    wait "$nspawn" 2>/dev/null || :
    init=
    ip netns del host
    ip netns del provider
}

settles() { # until the unit that a service started is done
    for _ in $(seq 60); do
        if on laneway status >/dev/null; then return; fi
        sleep 1
    done
    say "FAILED: drift after $*"
    on laneway status
    exit 1
}

passes() {
    for to in 203.0.113.9 2001:db8:ffff::9; do
        on ip netns exec acme-web ping -q -c 1 -W 5 "$to" >/dev/null || { say "FAILED: acme/web does not reach $to"; exit 1; }
    done
    say "acme/web reaches the internet in both families"
}

boot
on laneway apply /etc/laneway
passes
on laneway status >/dev/null
say 'a reboot'
on systemctl poweroff
gone

boot
passes
on systemctl --no-pager --full status laneway-boot.service laneway-uplinks.service | grep -E 'Active|apply|closed|again|nothing' || :
on laneway status
on laneway history
[ "$(on laneway history | wc -l)" = 1 ]

say 'other services start anew: nftables, systemd-networkd'
for verb in reload restart; do
    on systemctl "$verb" nftables
    sleep 1
    settles "$verb of nftables"
done
on systemctl restart systemd-networkd
sleep 3
settles 'a restart of systemd-networkd'
passes

say 'a power cut while a change waits for its confirmation'
on laneway apply /root/other.toml --confirm-within 300s
on ip -n acme-web -4 -brief address show dev eth0
kill -9 "$init"
gone

boot
passes
on ip -n acme-web -4 -brief address show dev eth0
on ip -n acme-web -4 address show dev eth0 | grep -q 10.20.0.10
on laneway status >/dev/null
on laneway history

say 'the package is removed and purged: the network is not touched, the disk is as before'
on dpkg --remove laneway
passes
on dpkg --purge laneway
passes
on sh -c 'ls -d /var/lib/laneway /usr/lib/laneway /etc/iproute2/rt_tables.d/laneway.conf /etc/systemd/system/*/laneway* 2>/dev/null' && exit 1
on systemctl poweroff
gone
say 'all as expected'
