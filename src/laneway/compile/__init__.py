"""The policy, compiled: what a host must hold for every tenant to keep to its lane.

Each module makes one part of a `HostState`; `compile.host` puts them together. All of it is pure.
"""
