"""The command `laneway`, run on the host, and its JSON answers."""

from __future__ import annotations

import json


class Command:
    """Runs laneway for a module; an answer that is no answer ends the module."""

    def __init__(self, module):
        self._module = module
        directories = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/sbin"]
        self._program = module.get_bin_path(module.params["executable"], required=True, opt_dirs=directories)

    def ask(self, verb, *arguments):
        """Return the JSON answer of a command, whether it is one of success or not."""
        argv = [self._program, verb, "--json", *arguments]
        code, out, err = self._module.run_command(argv)
        try:
            answer = json.loads(out)
        except ValueError:
            self._module.fail_json(msg=f"laneway {verb} gave no JSON answer", rc=code, stdout=out, stderr=err)
        return answer

    def demand(self, verb, *arguments, **also):
        """Return the answer of a command that must succeed."""
        answer = self.ask(verb, *arguments)
        if not answer["ok"]:
            self.fail(answer, **also)
        return answer

    def fail(self, answer, **also):
        """End the module with what kept the command from answering."""
        error = answer["error"]
        self._module.fail_json(msg="\n".join(_lines(answer)), error=error, problems=answer.get("problems", []), **also)


def _lines(answer):
    """Yield what a person must read: of an invalid policy each problem with its place."""
    error = answer["error"]
    problems = answer.get("problems", [])
    if not problems:
        yield error["message"]
        if error["hint"]:
            yield f"hint: {error['hint']}"
    for each in problems:
        place = f"{each['file']}:{each['line']}:{each['column']}" if each["line"] else each["file"]
        yield f"{place}: {each['message']}" + (f" (hint: {each['hint']})" if each["hint"] else "")
    if answer.get("left_out"):
        yield f"and {answer['left_out']} more"


def difference(steps):
    """Return what steps change as Ansible shows it, each object once: it may be made first and brought up later."""
    before, after, order = {}, {}, []
    for step in steps:
        name = step["object"]
        if name not in after:
            order.append(name)
            before[name] = step["is"]
        after[name] = step["should_be"]
    return {"before": _text(order, before), "after": _text(order, after)}


def _text(order, values):
    return "".join(_entry(name, values[name]) for name in order if values[name] is not None)


def _entry(name, value):
    lines = value.splitlines()
    if len(lines) == 1:
        return f"{name}: {value}\n"
    return f"{name}:\n" + "".join(f"    {line}\n" for line in lines)
