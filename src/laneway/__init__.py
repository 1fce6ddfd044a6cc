"""laneway keeps every tenant of a Linux host in its own lane.

A policy goes one way through the packages, and so do their imports::

    policy  text -> meaning            errors with their places
    lanes   meaning -> numbers         marks, tables, owners: for life
    compile -> the state a host needs
    plan    needed - observed -> steps, in a safe order
    apply   all of the steps, or none
    explain, verify, lab               where a packet goes, told and shown

`state` holds the kernel's nouns for all of them. `kernel` alone has effects on the host, `cli` alone prints.
"""

__version__ = "0.1.0"
