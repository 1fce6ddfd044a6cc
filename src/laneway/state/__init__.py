"""The kernel's nouns as immutable values; what is desired of a host and what it holds are both a `HostState`."""
