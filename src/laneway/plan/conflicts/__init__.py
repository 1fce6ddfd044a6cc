"""Whether a change of a host may begin: a module for each check, each of which yields `Collision`s and raises nothing.

`foreign`: objects of others where the policy wants its own. `shadowed_networks`: networks of the host that a new subnet
would hide. `ssh_ports`: ports of the sessions on this host. `lane_handover`, `prefix_handover`, `uplink_rename`: what
may not pass from one tenant to another while packets of the first are on their way.
"""
