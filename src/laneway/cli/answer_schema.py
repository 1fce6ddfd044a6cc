"""The JSON answers of the commands as JSON Schema (2020-12), for the programs that read them.

A key that is named here stays, with its meaning; others may come beside it, so nothing forbids them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from laneway.cli.output import FORMAT

if TYPE_CHECKING:
    from collections.abc import Mapping

Schema = dict[str, Any]

KINDS: Final = (
    *("usage", "privileges", "untrusted", "policy", "refused", "incomplete", "locked", "pending", "conflict"),
    *("too-late", "nothing-pending", "unreachable", "interrupted", "bug"),
)
"""What can keep a command from answering."""

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "integer"}
SECONDS: Final[Schema] = {"type": "number"}
YES: Final[Schema] = {"type": "boolean"}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}


def answer_schema(verb: str) -> Schema:
    """Return the schema of a command's JSON answer; raises KeyError where there is none."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:laneway:answer:{FORMAT}:{verb}",
        "title": f"laneway {verb} --json",
        "anyOf": [*map(_answer, ANSWERS[verb]), *map(ref, FAILURES.get(verb, ("failure",)))],
        "$defs": _DEFINITIONS,
    }


def optional(schema: Schema) -> Schema:
    """Return the schema of what may be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def array(items: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


def named(values: Schema) -> Schema:
    """Return the schema of an object whose keys are names."""
    return {"type": "object", "additionalProperties": values}


def table(always: Mapping[str, Schema], **sometimes: Schema) -> Schema:
    """Return the schema of an object that has the keys of `always`, and may have the others."""
    return {"type": "object", "properties": {**always, **sometimes}, "required": sorted(always)}


def ref(name: str) -> Schema:
    """Return a reference to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def _answer(keys: Schema) -> Schema:
    about = {"laneway": {"const": FORMAT}, "ok": {"const": True}}
    return {**keys, "properties": {**about, **keys["properties"]}, "required": sorted({*about, *keys["required"]})}


_OPS: Final[Schema] = {"enum": ["create", "replace", "delete"]}
_COUNTS: Final[Schema] = table(dict.fromkeys(("create", "replace", "delete"), NUMBER))
_TRAFFIC: Final[Schema] = table({"packets": NUMBER, "bytes": NUMBER})
_OBJECT: Final[Mapping[str, Schema]] = {
    "op": _OPS,
    "kind": TEXT,
    "tenant": {"description": "Whose it is; null: the host's, or that of many.", **optional(TEXT)},
    "object": {"description": "Which one, in words.", **TEXT},
    "is": {"description": "Its value before; null: it is not there.", **optional(TEXT)},
    "should_be": {"description": "Its value after; null: it goes.", **optional(TEXT)},
    "command": {"description": "What to type to do it.", **TEXT},
}
_ERROR: Final[Schema] = table(
    {
        "kind": {"enum": list(KINDS)},
        "message": TEXT,
        "hint": TEXT,
        "commands": array(TEXT),
        "collisions": array(ref("collision")),
        "by": optional(TEXT),
        "generation": optional(NUMBER),
        "until": optional(MOMENT),
    }
)
_PROBLEM: Final[Mapping[str, Schema]] = {
    "file": TEXT,
    "line": {"description": "0: the file as a whole.", **NUMBER},
    "column": NUMBER,
    "message": TEXT,
    "hint": TEXT,
}
_FLAWS: Final[Mapping[str, Schema]] = {
    "problems": array(table(_PROBLEM)),
    "warnings": array(table({"rule": TEXT, **_PROBLEM})),
}
_FAILED: Final[Mapping[str, Schema]] = {"reason": TEXT, "policy": TEXT, "explanation": ref("explanation")}
_HOPS: Final[Schema] = array(ref("hop"))
_WHERE: Final[Mapping[str, Schema]] = {
    "verdict": TEXT,
    "uplink": optional(TEXT),
    "lane": optional(TEXT),
    "source_seen": optional(TEXT),
    "hops": _HOPS,
}
_EXPLANATION: Final[Mapping[str, Schema]] = {
    **_WHERE,
    "by": optional(TEXT),
    "assumed": YES,
    "packet": table({"from": TEXT, "to": TEXT, "protocol": TEXT, "port": optional(NUMBER), "dscp": optional(NUMBER)}),
    "reply": optional(table(_WHERE)),
    "later": optional(TEXT),
    "stopped_by": optional(ref("hop")),
}
_CHANGES: Final[Mapping[str, Schema]] = {"who": TEXT, "when": MOMENT, "changes": named(NUMBER)}
_GENERATION: Final[Schema] = table(
    {
        **_CHANGES,
        "generation": NUMBER,
        "command": TEXT,
        "restores": optional(NUMBER),
        "destroyed": YES,
        "reverted": YES,
        "repairs": optional(table({**_CHANGES, "times": NUMBER})),
    }
)
_HISTORY: Final[Mapping[str, Schema]] = {
    "in_force": optional(NUMBER),
    "generations": array(ref("generation")),
    "pending": ref("pending"),
}
_DEFINITIONS: Final[Schema] = {
    "failure": {
        "description": "What kept the command from answering; of an invalid policy its problems too.",
        **table(
            {"laneway": {"const": FORMAT}, "ok": {"const": False}, "error": ref("error")},
            valid={"const": False},
            left_out=NUMBER,
            **_FLAWS,
        ),
    },
    "unknown-in-force": {
        "description": "The generations, where it cannot be read which of them is in force.",
        **table({"laneway": {"const": FORMAT}, "ok": {"const": False}, "error": ref("error"), **_HISTORY}),
    },
    "error": _ERROR,
    "collision": table({"kind": TEXT, "what": TEXT, "hint": TEXT}),
    "step": table({**_OBJECT, "summary": TEXT}),
    "difference": table({**_OBJECT, "state": {"enum": ["missing", "different", "unexpected"]}}),
    "pending": {
        "description": "The change that waits for its confirmation.",
        **optional(table({"generation": NUMBER, "before": NUMBER, "by": TEXT, "until": MOMENT, "seconds": SECONDS})),
    },
    "workloads": {"description": "Those whose inside is not as the policy says, and why.", **named(TEXT)},
    "finding": table(
        {
            "rule": TEXT,
            "severity": {"enum": ["error", "warning", "info"]},
            "what": TEXT,
            "why": TEXT,
            "commands": array(TEXT),
            "hint": TEXT,
        }
    ),
    "hop": table(
        {
            "stage": TEXT,
            "effect": TEXT,
            "object": optional(TEXT),
            "rule": optional(TEXT),
            "entry": optional(TEXT),
            "policy": optional(TEXT),
            "mark": optional(TEXT),
            "lane": optional(TEXT),
            "minor": YES,
        }
    ),
    "explanation": table(_EXPLANATION),
    "generation": _GENERATION,
    "traffic": _TRAFFIC,
}
_CHANGE: Final[Mapping[str, Schema]] = {
    "changed": YES,
    "steps": array(ref("step")),
    "notes": array(TEXT),
    "workloads": ref("workloads"),
    "pending": ref("pending"),
}
_PLAN: Final[Schema] = table(
    {
        "changed": YES,
        "summary": {
            "description": "How many objects change, of each tenant, and of the host as a whole.",
            **table({"host": _COUNTS, "tenants": named(_COUNTS)}),
        },
        "waiting": {"description": "Uplinks that do not exist yet.", **array(TEXT)},
        "kept": {"description": "Tenants that the policy does not name, and that stay.", **array(TEXT)},
        "notes": array(TEXT),
        "workloads": ref("workloads"),
        "pending": ref("pending"),
    },
    steps={"description": "In their order; left out with --summary.", **array(ref("step"))},
)
_APPLIED: Final[Schema] = table({**_CHANGE, "generation": optional(NUMBER)})
_MOVED: Final[Mapping[str, Schema]] = {"received": ref("traffic"), "sent": ref("traffic")}
_MOVING: Final[Mapping[str, Schema]] = {f"{each}_per_second": ref("traffic") for each in _MOVED}
_CARRIED: Final[Mapping[str, Schema]] = {"flows": NUMBER, "carried": optional(ref("traffic"))}
_RATE: Final[Mapping[str, Schema]] = {"carried_per_second": optional(ref("traffic"))}
_UPLINK: Final[Schema] = table(
    {
        "name": TEXT,
        "interface": TEXT,
        "present": YES,
        "up": YES,
        "carrier": YES,
        "open": YES,
        "addresses": array(TEXT),
        **_MOVED,
    },
    **_MOVING,
)
_PUBLISHED: Final[Schema] = table(
    {"address": optional(TEXT), "ports": TEXT, "protocol": TEXT, "workload": TEXT, "to_ports": TEXT}
)
_TENANT: Final[Schema] = table(
    {"name": TEXT, "bridge": TEXT, "workloads": array(TEXT), "published": array(_PUBLISHED), **_MOVED}, **_MOVING
)
_LANE: Final[Schema] = table(
    {
        "tenant": TEXT,
        "uplink": TEXT,
        "preferred": YES,
        "interface": TEXT,
        "open": YES,
        "closed": {"description": "Why, by family, where it is not open.", **named(TEXT)},
        "mark": TEXT,
        "table": NUMBER,
        "table_name": TEXT,
        **_CARRIED,
    },
    **_RATE,
)
_REPAIR: Final[Schema] = table({"when": MOMENT, "what": TEXT, "after": TEXT, "seconds": SECONDS})
_FOLLOWING: Final[Schema] = table(
    {"pid": NUMBER, "since": MOMENT, "generation": NUMBER, "repairs": array(_REPAIR), "waits": TEXT, "trouble": TEXT}
)
_REACHED: Final[Mapping[str, Schema]] = {
    "delivered": YES,
    "by": optional(TEXT),
    "uplink": optional(TEXT),
    "source_seen": optional(TEXT),
}
_PROBE: Final[Schema] = table(
    {
        "tenant": TEXT,
        "kind": TEXT,
        "from": TEXT,
        "arrives": optional(TEXT),
        "source": optional(TEXT),
        "to": TEXT,
        "protocol": TEXT,
        "port": optional(NUMBER),
        "expected": table(_REACHED),
        **_REACHED,
        "how": optional(TEXT),
        "held": YES,
        "faults": array(TEXT),
    }
)

ANSWERS: Final[Mapping[str, tuple[Schema, ...]]] = {
    "check": (table({"valid": {"const": True}, **_FLAWS}, failed=array(table(_FAILED)), left_out=NUMBER),),
    "compile": (table({"steps": array(ref("step"))}),),
    "plan": (_PLAN,),
    "apply": (_APPLIED, _PLAN),
    "rollback": (_APPLIED,),
    "destroy": (table(_CHANGE), _PLAN),
    "confirm": (table({"generation": NUMBER, "confirmed": {"const": True}}),),
    "history": (table(_HISTORY), table({**_GENERATION["properties"], "policy": TEXT})),
    "status": (
        table(
            {
                "in_sync": YES,
                "rebooted": YES,
                "drift": array(ref("step")),
                "in_the_way": array(ref("collision")),
                "run": {"description": "`laneway run`, where it follows the host.", **optional(_FOLLOWING)},
                "pending": ref("pending"),
                "workloads": ref("workloads"),
                "errors": array(ref("finding")),
                "accounting": YES,
                "uplinks": array(_UPLINK),
                "tenants": array(_TENANT),
                "lanes": array(_LANE),
                "crossing": table(_CARRIED, **_RATE),
                "refused": named(NUMBER),
            }
        ),
    ),
    "verify": (
        table(
            {
                "holds": YES,
                "drift": array(ref("difference")),
                "expectations": NUMBER,
                "failed": array(table({"expect": TEXT, **_FAILED})),
                "packets": array(table({"expect": TEXT, "outcome": TEXT, "holds": YES, "sent": YES})),
                "in_the_way": {"description": "null: not looked for.", **optional(array(ref("collision")))},
                "findings": array(ref("finding")),
                "unseen": array(TEXT),
                "besides": array(TEXT),
                "workloads": ref("workloads"),
                "waiting": array(TEXT),
                "pending": ref("pending"),
            }
        ),
    ),
    "doctor": (table({"breaks": YES, "policy": YES, "findings": array(ref("finding")), "unseen": array(TEXT)}),),
    "explain": (
        table(
            _EXPLANATION,
            why_not=array(TEXT),
            kernel=array(table({"command": TEXT, "walk": TEXT, "kernel": TEXT, "differs": YES})),
            not_walked=array(table({"what": TEXT, "why": TEXT})),
            drift=NUMBER,
        ),
    ),
    "lab": (table({"probes": NUMBER, "failed": NUMBER, "seconds": SECONDS, "results": array(_PROBE)}),),
    "service": (
        table({"written": array(TEXT), "enabled": array(TEXT)}),
        table({"deleted": array(TEXT), "disabled": array(TEXT)}),
        table({"files": named(TEXT)}),
    ),
}
"""What each command with --json answers, one of these."""

FAILURES: Final[Mapping[str, tuple[str, ...]]] = {"history": ("failure", "unknown-in-force")}
"""What a command that has no answer says in its place, where that is not the same as of every other."""
