#!/usr/bin/python
"""What a host holds of laneway's."""

from __future__ import annotations

DOCUMENTATION = r"""
module: status_info
short_description: Tell what a host holds of laneway's
description:
  - Returns what C(laneway status) says, and on request what C(laneway verify) finds. Nothing is changed.
options:
  verify:
    description: Compare the host with the policy of O(paths), or with the one in force.
    type: bool
    default: false
  paths:
    description: Files and directories on the host, read as one policy.
    type: list
    elements: path
    default: []
  strict:
    description: Take the doctor's warnings for errors.
    type: bool
    default: false
  executable:
    description: The program.
    type: str
    default: laneway
attributes:
  check_mode:
    support: full
    description: Nothing is changed.
author: The laneway authors
"""

EXAMPLES = r"""
- name: Look at the host
  laneway.laneway.status_info:
    verify: true
  register: host

- name: It must hold its policy
  ansible.builtin.assert:
    that: host.holds
"""

RETURN = r"""
applied:
  description: Whether a policy is in force.
  type: bool
  returned: success
status:
  description: The answer of C(laneway status --json).
  type: dict
  returned: when a policy is in force
verify:
  description: The answer of C(laneway verify --json).
  type: dict
  returned: when O(verify)
holds:
  description: Whether the host holds the policy.
  type: bool
  returned: when O(verify)
findings:
  description: What differs, in words.
  type: list
  returned: when O(verify)
"""

from ansible.module_utils.basic import AnsibleModule  # noqa: E402
from ansible_collections.laneway.laneway.plugins.module_utils.command import Command  # noqa: E402

OPTIONS = {
    "verify": {"type": "bool", "default": False},
    "paths": {"type": "list", "elements": "path", "default": []},
    "strict": {"type": "bool", "default": False},
    "executable": {"type": "str", "default": "laneway"},
}


def found(answer):
    """Yield what differs, in words."""
    for each in answer["drift"]:
        yield f"{each['state']}: {each['object']}"
    for each in answer["failed"]:
        yield f"fails: {each['expect']}: {each['reason']}"
    for each in answer["in_the_way"] or []:
        yield f"in the way: {each['what']}"
    for each in answer["findings"]:
        yield f"{each['severity']}: {each['what']} [{each['rule']}]"
    for name, reason in answer["workloads"].items():
        yield f"workload {name}: {reason}"


def main():
    """Run the module."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    command, params = Command(module), module.params
    status = command.ask("status")
    told = {"changed": False, "applied": status["ok"]}
    if status["ok"]:
        told["status"] = status
    elif status["error"]["kind"] != "usage":
        command.fail(status)
    if params["verify"]:
        strict = ["--strict"] if params["strict"] else []
        answer = command.demand("verify", *strict, *(["--", *params["paths"]] if params["paths"] else []))
        told.update(verify=answer, holds=answer["holds"], findings=list(found(answer)))
    module.exit_json(**told)


if __name__ == "__main__":
    main()
