"""The rules of the source tree, each a function from the parsed modules to what breaks it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

MAX_FILE = 350  # lines
MAX_BODY = 50  # lines of a function without its docstring

EFFECTS = frozenset({"ctypes", "iptc", "pyroute2", "subprocess"})
MAY_IMPORT: dict[
    str, frozenset[str]
] = {  # the packages whose modules may be bound at run time, beside one's own and `errors`
    "state": frozenset(),
    "policy": frozenset({"state"}),
    "lanes": frozenset({"state", "policy"}),
    "compile": frozenset({"state", "policy", "lanes"}),
    "plan": frozenset({"state", "policy", "lanes", "compile"}),
    "apply": frozenset({"state", "policy", "lanes", "compile", "plan"}),
    "kernel": frozenset({"state", "plan"}),
    "explain": frozenset({"state", "policy", "lanes", "compile", "plan"}),
    "doctor": frozenset({"state", "policy"}),
    "service": frozenset(),
    "follow": frozenset({"state", "plan"}),
    "manual": frozenset(),
    "map": frozenset({"state", "policy", "lanes", "explain"}),
    "lab": frozenset({"state", "policy", "lanes", "compile", "plan", "apply", "kernel", "explain"}),
    "verify": frozenset({"state", "policy", "lanes", "compile", "plan", "apply", "kernel", "explain", "doctor"}),
    "errors": frozenset(),
}
ONLY = {
    ("kernel", "plan"): "laneway.plan.steps",
    ("explain", "plan"): "laneway.plan.words",
    ("explain", "lab"): "laneway.lab.topology",  # the host that is assumed when none is asked
}
"""What a package may see of another, of which it sees nothing else."""
IPTC_READERS = ("decode_", "dump_", "get_")  # of iptc.easy: what reads; the rest of it writes
CHILD_PROCESSES = frozenset({"kernel/iptc_reader.py"})  # answer their parent on standard output
STREAM_WRITES = frozenset({"sys.stdout.write", "sys.stderr.write"})
MUTATORS = frozenset({"add", "append", "clear", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"})
MUTABLE_CALLS = frozenset({"bytearray", "Counter", "defaultdict", "deque", "dict", "list", "set"})


@dataclass(frozen=True)
class Module:
    """One parsed file of the package."""

    path: PurePosixPath  # below the package: "cli/app.py"
    tree: ast.Module
    lines: int

    @property
    def package(self) -> str:
        return self.path.parts[0].removesuffix(".py")

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"


def modules(root: Path) -> list[Module]:
    found = []
    for file in sorted(root.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        found.append(Module(PurePosixPath(file.relative_to(root)), ast.parse(text), text.count("\n")))
    return found


def only_the_kernel_and_the_lab_have_effects(module: Module) -> Iterator[str]:
    if module.package in {"kernel", "lab"}:
        return
    for statement, name in _imports(module.tree):
        if name.split(".")[0] in EFFECTS:
            yield module.at(statement, f"imports {name}")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"socket.socket", "os.system", "os.popen"}:
            yield module.at(node, f"uses {ast.unparse(node)}")


def only_the_command_line_prints(module: Module) -> Iterator[str]:
    if module.package == "cli":
        return
    for statement, name in _imports(module.tree):
        library = name.split(".")[0]
        in_a_report = module.package == "lab" and statement not in module.tree.body
        if library == "typer" or (library == "rich" and not in_a_report):
            yield module.at(statement, f"imports {name}")
    # The lab speaks to the terminal for the command that it became.
    may_write = module.package == "lab" or str(module.path) in CHILD_PROCESSES
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield module.at(node, "prints")
        if isinstance(node, ast.Attribute) and ast.unparse(node) in STREAM_WRITES and not may_write:
            yield module.at(node, f"uses {ast.unparse(node)}")


def imports_go_one_way(module: Module) -> Iterator[str]:
    if module.package in {"cli", "__main__"}:
        return
    for statement, name in _imports(module.tree):
        head, _, rest = name.partition(".")
        target = rest.split(".")[0]
        if head != "laneway" or target in {"", "__version__", "errors", module.package}:
            continue
        only = ONLY.get((module.package, target), "")
        allowed = name.startswith(only) if only else target in MAY_IMPORT.get(module.package, ())
        if not allowed:
            yield module.at(statement, f"{module.package} imports {name}")


def iptc_does_not_write(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module == "iptc.easy":
            names = [each.name for each in node.names]
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in {"easy", "iptc.easy"}:
            names = [node.attr]
        yield from (module.at(node, f"uses iptc.easy.{name}") for name in names if not name.startswith(IPTC_READERS))


def there_is_no_shell(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            values = [ast.unparse(each.value) for each in node.keywords if each.arg == "shell"]
            chosen = ast.unparse(node.func).startswith("subprocess.") and values not in ([], ["False"])
            if chosen or values == ["True"]:
                yield module.at(node, "runs a shell")


def exceptions_are_named(module: Module) -> Iterator[str]:
    if str(module.path) == "cli/app.py":
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = _names(node.type)
        if "Exception" in caught or not caught or ("BaseException" in caught and not _passes_on(node)):
            yield module.at(node, "catches everything")


def files_are_short(module: Module) -> Iterator[str]:
    if module.lines > MAX_FILE:
        yield f"{module.path}: {module.lines} lines"


def functions_are_short(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            length = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            if length > MAX_BODY:
                yield module.at(node, f"{node.name} has {length} lines")


def modules_have_no_state(module: Module) -> Iterator[str]:
    """A mutable value of a module's is a constant in capitals, and no code anywhere changes one."""
    for statement in module.tree.body:
        yield from (
            module.at(statement, f"{target} can change")
            for target, value in _assignments(statement)
            if _is_mutable(value) and not target.isupper() and target != "__all__"
        )
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield module.at(node, f"global {', '.join(node.names)}")
        changed = _changed(node)
        if changed is not None and _last_name(changed).isupper():
            yield module.at(node, f"changes {ast.unparse(changed)}")


RULES: tuple[Callable[[Module], Iterable[str]], ...] = (
    only_the_kernel_and_the_lab_have_effects,
    only_the_command_line_prints,
    imports_go_one_way,
    iptc_does_not_write,
    there_is_no_shell,
    exceptions_are_named,
    files_are_short,
    functions_are_short,
    modules_have_no_state,
)


def _imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    """Yield what is bound at run time: what stands under `if TYPE_CHECKING` is for readers and type checkers."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                for other in node.orelse:
                    yield from _imports(other)
            case ast.Import(names=names):
                yield from ((node, each.name) for each in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from ((node, f"{module}.{each.name}") for each in names)
            case _:
                yield from _imports(node)


def _names(caught: ast.expr | None) -> set[str]:
    match caught:
        case None:
            return set()
        case ast.Tuple(elts=elements):
            return {ast.unparse(each) for each in elements}
        case _:
            return {ast.unparse(caught)}


def _passes_on(handler: ast.ExceptHandler) -> bool:
    """Tell whether the handler raises again, or carries the exception to somebody else."""
    nodes = [inner for statement in handler.body for inner in ast.walk(statement)]
    raised = any(isinstance(each, ast.Raise) and each.exc is None for each in nodes)
    return raised or any(isinstance(each, ast.Name) and each.id == handler.name for each in nodes)


def _assignments(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    match statement:
        case ast.Assign(targets=targets, value=value):
            yield from ((ast.unparse(each), value) for each in targets)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield ast.unparse(target), value


def _is_mutable(value: ast.expr) -> bool:
    if isinstance(value, ast.Call):
        return ast.unparse(value.func).rsplit(".", 1)[-1] in MUTABLE_CALLS
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def _changed(node: ast.AST) -> ast.expr | None:
    """Return the expression whose value the node changes in place."""
    match node:
        case ast.Subscript(value=value, ctx=ast.Store() | ast.Del()):
            return value
        case ast.Call(func=ast.Attribute(value=value, attr=attr)) if attr in MUTATORS:
            return value
        case _:
            return None


def _last_name(expression: ast.expr) -> str:
    return ast.unparse(expression).rsplit(".", 1)[-1]
