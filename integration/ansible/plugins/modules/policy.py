#!/usr/bin/python
"""Applies, confirms and removes laneway policies."""

from __future__ import annotations

DOCUMENTATION = r"""
module: policy
short_description: Make a host hold a laneway policy
description:
  - Applies a policy as one transaction; all of it, or nothing of it.
  - In check mode the host is planned against and nothing is changed.
  - With C(--diff) each object is shown before and after.
options:
  paths:
    description: Files and directories on the host, read as one policy.
    type: list
    elements: path
    default: [/etc/laneway]
  state:
    description:
      - V(applied) makes the host hold the policy.
      - V(confirmed) keeps the change that waits for its confirmation; with O(generation) that one alone.
      - V(absent) removes O(tenants), or all that laneway has on the host.
    type: str
    choices: [applied, confirmed, absent]
    default: applied
  confirm_within:
    description: Take the change back unless it is confirmed in time, as V(60s) or V(5m).
    type: str
  generation:
    description: Of V(confirmed), the change that is meant.
    type: int
  prune:
    description: Remove tenants that the policy does not name.
    type: bool
    default: false
  tenants:
    description: Of V(absent), the tenants to remove; without any, everything.
    type: list
    elements: str
    default: []
  wait:
    description: Seconds to wait for another laneway on the host to end.
    type: int
    default: 0
  executable:
    description: The program.
    type: str
    default: laneway
attributes:
  check_mode:
    support: full
    description: O(state=absent) says whether there is anything to remove.
  diff_mode:
    support: full
    description: Each object that changes, with its value before and after.
author: The laneway authors
"""

EXAMPLES = r"""
- name: Apply, to be confirmed within two minutes
  laneway.laneway.policy:
    paths: [/etc/laneway]
    confirm_within: 120s
  register: applied

- name: Come back by a new connection
  ansible.builtin.meta: reset_connection

- name: Keep that change
  laneway.laneway.policy:
    state: confirmed
    generation: "{{ applied.generation }}"
  when: applied.pending
"""

RETURN = r"""
generation:
  description: The generation in force, where it is known.
  type: int
  returned: success
pending:
  description: The change that waits for its confirmation, if one does.
  type: dict
  returned: success
notes:
  description: What works on this host and may not be meant.
  type: list
  returned: success
error:
  description: What kept the command from answering, with its C(kind); C(locked) and C(pending) pass by themselves.
  type: dict
  returned: failure
problems:
  description: What is wrong with the policy, each with file, line and column.
  type: list
  returned: failure
"""

from ansible.module_utils.basic import AnsibleModule  # noqa: E402
from ansible_collections.laneway.laneway.plugins.module_utils.command import Command, difference  # noqa: E402

OPTIONS = {
    "paths": {"type": "list", "elements": "path", "default": ["/etc/laneway"]},
    "state": {"type": "str", "choices": ["applied", "confirmed", "absent"], "default": "applied"},
    "confirm_within": {"type": "str"},
    "generation": {"type": "int"},
    "prune": {"type": "bool", "default": False},
    "tenants": {"type": "list", "elements": "str", "default": []},
    "wait": {"type": "int", "default": 0},
    "executable": {"type": "str", "default": "laneway"},
}


def applied(module, command):
    """Apply the policy, or in check mode plan it."""
    params = module.params
    prune = ["--prune"] if params["prune"] else []
    paths = ["--", *params["paths"]]
    if module.check_mode:
        return command.demand("plan", *prune, *paths)
    within = ["--confirm-within", params["confirm_within"]] if params["confirm_within"] else []
    return command.demand("apply", f"--wait={params['wait']}", *within, *prune, *paths)


def confirmed(module, command):
    """Keep the change that waits; where none does, the change that is meant must be in force."""
    wanted = module.params["generation"]
    history = command.demand("history")
    pending = history["pending"]
    if pending is None and wanted in (None, history["in_force"]):
        return {"changed": False, "steps": [], "generation": history["in_force"], "pending": None}
    if module.check_mode:
        return {"changed": True, "steps": [], "generation": wanted, "pending": pending}
    answer = command.demand("confirm", *([] if wanted is None else [str(wanted)]))
    return {"changed": True, "steps": [], "generation": answer["generation"], "pending": None}


def absent(module, command):
    """Remove tenants, or everything."""
    tenants = module.params["tenants"]
    history = command.demand("history")
    there = set(_tenants(command))
    gone = sorted(there.intersection(tenants)) if tenants else sorted(there)
    if tenants and not gone:
        return {"changed": False, "steps": [], "generation": history["in_force"], "pending": history["pending"]}
    if module.check_mode:
        return {"changed": bool(gone), "steps": [], "generation": history["in_force"], "pending": history["pending"]}
    return command.demand("destroy", f"--wait={module.params['wait']}", *(gone if tenants else []))


def _tenants(command):
    """Return the tenants of the host; nothing is applied there where `status` says so."""
    status = command.ask("status")
    if status["ok"]:
        return [each["name"] for each in status["tenants"]]
    if status["error"]["kind"] == "usage":
        return []
    return command.fail(status)


STATES = {"applied": applied, "confirmed": confirmed, "absent": absent}


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec=OPTIONS,
        supports_check_mode=True,
        mutually_exclusive=[("confirm_within", "generation")],
    )
    answer = STATES[module.params["state"]](module, Command(module))
    module.exit_json(
        changed=answer["changed"],
        generation=answer.get("generation"),
        pending=answer["pending"],
        notes=answer.get("notes", []),
        workloads=answer.get("workloads", {}),
        diff=difference(answer["steps"]),
    )


if __name__ == "__main__":
    main()
