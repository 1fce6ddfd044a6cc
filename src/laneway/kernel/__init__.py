"""The only effects on the host: netlink, ipset, iptables, sysctls and files, read and written."""
