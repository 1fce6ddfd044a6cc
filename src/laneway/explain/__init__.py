"""Where a packet goes and why: a pure walk through a `HostState`, as the kernel would take it.

`question` makes a packet of names, `walk` takes it there and back, `origin` finds the policy lines behind the kernel's
objects, `report` tells it. Nothing here looks at a host: what of the host is not laneway's comes in as an `Underlay`.
"""
