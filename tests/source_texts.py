"""What a string expression in a package's source may read, with gaps for what is not known there.

f-strings, concatenation, choices, constants, local variables, and functions that return text are
followed; what differs from case to case becomes a gap.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import itertools
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Function: TypeAlias = ast.FunctionDef | ast.Lambda

# Stands for what differs from case to case.
GAP = "…"
# What has fewer words is no text that anybody would look for.
MIN_WORDS = 3
# An expression of more alternatives is given with a gap for them, and they by themselves.
MAX_ALTERNATIVES = 6
# Longer constants are lists of what there is, which grow.
MAX_CONSTANT = 100
# Differ from release to release.
VARYING = {"__version__", "VERSION", "version"}
MAX_DEPTH = 5


def n_words(text: str) -> int:
    """Count the words of a text besides its gaps."""
    return sum(bool(re.search(r"[^\W\d_]{2}", word)) for word in text.replace(GAP, " ").split())


class Local:
    """What names mean in a function, and in those within it."""

    def __init__(self, function: Function | None) -> None:
        self.nodes = [] if function is None else list(ast.walk(function))
        self.parameters: set[str] = set()
        self.bound: set[str] = set()
        self.imported: dict[str, Any] = {}
        self.assigned: dict[str, list[ast.expr]] = defaultdict(list)
        for node in self.nodes:
            self._look(node)
        self.bound |= self.parameters

    def _look(self, node: ast.AST) -> None:
        match node:
            case ast.arg(arg=name):
                self.parameters.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.ExceptHandler(name=str(name)):
                self.bound.add(name)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) | (
                ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                | ast.NamedExpr(target=ast.Name(id=name), value=value)
            ):
                self.assigned[name].append(value)
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                for target, value in zip(names, values, strict=False):
                    if isinstance(target, ast.Name):
                        self.assigned[target.id].append(value)
            case ast.ImportFrom(module=str(module)) if module.startswith("speakergmm"):
                values = importlib.import_module(module)
                self.imported |= {a.asname or a.name: getattr(values, a.name) for a in node.names}


class Module:
    """A module's tree, its functions by name, and what its names mean."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.values = vars(importlib.import_module(name))
        nodes = list(ast.walk(self.tree))
        self.parents = {child: node for node in nodes for child in ast.iter_child_nodes(node)}
        self.functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
        self._locals: dict[Function | None, Local] = {}

    def function(self, name: str, functions: tuple[Function, ...]) -> ast.FunctionDef:
        """Give the function of a name, as it is known within functions, the innermost first."""
        for outer in functions:
            for node in outer.body if isinstance(outer, ast.FunctionDef) else ():
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    return node
        return self.functions[name]

    def around(self, node: ast.AST) -> tuple[Function, ...]:
        """Give the functions around a node, the innermost first."""
        found = []
        while node in self.parents:
            node = self.parents[node]
            if isinstance(node, Function):
                found.append(node)
        return tuple(found)

    def local(self, functions: tuple[Function, ...]) -> Local:
        """Give what names mean in functions, the innermost first."""
        outermost = functions[-1] if functions else None
        if outermost not in self._locals:
            self._locals[outermost] = Local(outermost)
        return self._locals[outermost]


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: module, functions around it, what is given for parameters."""

    module: Module
    functions: tuple[Function, ...]
    given: dict[str, list[str]] = field(default_factory=dict)
    # Names and functions that are being followed, which shall not lead to themselves.
    followed: tuple[object, ...] = ()

    @cached_property
    def local(self) -> Local:
        """What the names in its functions mean."""
        return self.module.local(self.functions)

    def value(self, node: ast.expr) -> Any:  # noqa: PLR0911
        """Give the value of a constant, a name or an attribute that are not local, else None."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                if name in self.local.bound or name in VARYING:
                    return None
                known = (self.local.imported, self.module.values, vars(builtins))
                return next((values[name] for values in known if name in values), None)
            case ast.Attribute(value=owner, attr=name) if name not in VARYING:
                return getattr(self.value(owner), name, None)
            case ast.Subscript(value=table, slice=index):
                try:
                    return self.value(table)[self.value(index)]
                except (TypeError, LookupError):
                    return None
        return None

    def following(self, thing: object) -> Scope:
        """Give the scope for what a name or a function leads to."""
        return replace(self, followed=(*self.followed, thing))


def elements(node: ast.expr, scope: Scope) -> Iterator[ast.expr]:
    """Give the texts that a list is made of, as far as they are made there."""
    match node:
        case ast.ListComp(elt=elt) | ast.GeneratorExp(elt=elt):
            yield elt
        case ast.BinOp(left=left, right=right):
            yield from elements(left, scope)
            yield from elements(right, scope)
        case ast.Call(func=ast.Name(id="map"), args=[function, _]):
            yield ast.Call(function, [], [])
        case ast.Name(id=name) if name not in scope.followed:
            inner = scope.following(name)
            for value in scope.local.assigned.get(name, ()):
                yield from elements(value, inner)
            for other in scope.local.nodes:
                match other:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name(id=owner), attr="append"), args=[text]
                    ) if owner == name:
                        yield text
                    case ast.Call(
                        func=ast.Attribute(value=ast.Name(id=owner), attr="extend"), args=[more]
                    ) if owner == name:
                        yield from elements(more, inner)
                    case ast.AugAssign(target=ast.Name(id=owner), value=more) if owner == name:
                        yield from elements(more, inner)


class Texts:
    """The modules of a package, by name, and what its expressions may read."""

    def __init__(self, package: Path) -> None:
        self.modules = {}
        # To import `__main__` is to run it.
        for path in sorted(set(package.rglob("*.py")) - {package / "__main__.py"}):
            parts = path.relative_to(package.parent).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            self.modules[name] = Module(path, name)

    @cached_property
    def calls(self) -> dict[Function, list[tuple[Module, ast.Call]]]:
        """Where each function of the package is called."""
        found = defaultdict(list)
        for module in self.modules.values():
            for node in module.parents:
                if isinstance(node, ast.Call):
                    called = self.called(node.func, Scope(module, module.around(node)))
                    if called is not None:
                        found[called[1]].append((module, node))
        return found

    def called(self, node: ast.expr, scope: Scope) -> tuple[Module, Function] | None:
        """Find the function of the package that an expression names."""
        match node:
            case ast.Lambda():
                return scope.module, node
            case ast.Name(id=name) if name in scope.module.functions:
                return scope.module, scope.module.function(name, scope.functions)
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                function = scope.module.functions.get(name)
                return None if function is None else (scope.module, function)
            case ast.Name() | ast.Attribute():
                value = scope.value(node)
                module = self.modules.get(getattr(value, "__module__", None) or "")
                name = getattr(value, "__name__", "")
                if module is not None and name in module.functions:
                    return module, module.functions[name]
        return None

    def given(self, function: Function, call: ast.Call, scope: Scope) -> dict[str, list[str]]:
        """Give the texts of a function's parameters in a call of it."""
        names = [argument.arg for argument in function.args.args]
        names = names[1:] if names[:1] == ["self"] else names
        pairs = [*zip(names, call.args, strict=False), *((k.arg, k.value) for k in call.keywords)]
        return {name: self.of(value, scope) for name, value in pairs if name}

    def of(self, node: ast.expr, scope: Scope) -> list[str]:
        """Give all texts that an expression may be."""
        found = list(dict.fromkeys(self._of(node, scope))) or [GAP]
        long = [text for text in found if n_words(text) >= MIN_WORDS]
        if GAP in found or ("" in found and not long):
            # A gap stands for the short ones too.
            return [GAP, *long] if found != [""] else found
        return [GAP] if len(found) > 1 and max(map(n_words, found)) < 2 else found

    def _of(self, node: ast.expr, scope: Scope) -> Iterable[str]:  # noqa: PLR0911
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.Constant(value=None):
                return [""]
            case ast.JoinedStr(values=values):
                return self._joined(values, scope)
            case ast.FormattedValue():
                return self._formatted(node, scope)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                are_numbers = any(isinstance(scope.value(n), int) for n in (left, right))
                return [GAP] if are_numbers else self._joined([left, right], scope)
            case ast.IfExp(body=body, orelse=orelse):
                return [*self.of(body, scope), *self.of(orelse, scope)]
            case ast.BoolOp(op=ast.Or(), values=values):
                return itertools.chain.from_iterable(self.of(v, scope) for v in values)
            case ast.Name(id=name) if name in scope.given:
                return scope.given[name]
            case ast.Name(id=name) if name in scope.local.assigned:
                return self._assigned(name, scope)
            case ast.Call():
                return self._call(node, scope)
            case ast.Subscript(value=table) if scope.value(node) is None:
                return self._of_table(scope.value(table))
        value = scope.value(node)
        if isinstance(value, str):
            return [GAP if "\n" in value or len(value) > MAX_CONSTANT else value]
        return [str(value)] if isinstance(value, (int, float)) else [GAP]

    def _joined(self, parts: list[ast.expr], scope: Scope) -> list[str]:
        pieces = [self.of(part, scope) for part in parts]
        ways = list(itertools.islice(itertools.product(*pieces), MAX_ALTERNATIVES + 1))
        if len(ways) <= MAX_ALTERNATIVES:
            return ["".join(way) for way in ways]
        several = [text for piece in pieces if len(piece) > 1 for text in piece]
        whole = "".join(GAP if len(piece) > 1 else piece[0] for piece in pieces)
        return [whole, *(text for text in several if n_words(text) >= MIN_WORDS)]

    def _formatted(self, node: ast.FormattedValue, scope: Scope) -> list[str]:
        value = scope.value(node.value)
        match node:
            case ast.FormattedValue(conversion=114):
                return [repr(value)] if isinstance(value, str) else [GAP]
            case ast.FormattedValue(format_spec=ast.JoinedStr(values=[ast.Constant(value=how)])):
                return [format(value, how)] if isinstance(value, (int, float)) else [GAP]
        return self.of(node.value, scope)

    def _assigned(self, name: str, scope: Scope) -> Iterable[str]:
        """Give what a local name may be; of a parameter more is not known."""
        if name in scope.local.parameters or (scope.functions[-1], name) in scope.followed:
            return [GAP]
        inner = scope.following((scope.functions[-1], name))
        return itertools.chain.from_iterable(self.of(v, inner) for v in scope.local.assigned[name])

    def _call(self, node: ast.Call, scope: Scope) -> Iterable[str]:
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="rstrip" | "strip"), args=[]):
                return self.of(owner, scope)
            case ast.Call(func=ast.Attribute(value=table, attr="get"), args=[_, *other]) if (
                isinstance(scope.value(table), dict)
            ):
                more = itertools.chain.from_iterable(self.of(o, scope) for o in other)
                return [*self._of_table(scope.value(table)), *more]
            case ast.Call(func=ast.Attribute(attr="join"), args=[parts]):
                joined = (text for part in elements(parts, scope) for text in self.of(part, scope))
                return [text if n_words(text) >= MIN_WORDS else GAP for text in joined]
            case ast.Call(func=ast.Name(id="problem_report"), args=[heading, _]):
                return self.of(heading, scope)
        return self.returned(node, scope)

    @staticmethod
    def _of_table(table: object) -> list[str]:
        """Give the texts in a table of constants."""
        values = list(table.values()) if isinstance(table, dict) else table
        texts = values if isinstance(values, (list, tuple)) else []
        return [t if n_words(t) >= MIN_WORDS else GAP for t in texts if isinstance(t, str)]

    def returned(self, node: ast.Call, scope: Scope) -> list[str]:
        """Give what a function of the package may return, where that is text."""
        called = self.called(node.func, scope)
        if called is None or called[1] in scope.followed or len(scope.followed) > MAX_DEPTH:
            return [GAP]
        module, function = called
        given = self.given(function, node, scope)
        around = (function, *module.around(function))
        inner = Scope(module, around, given, (*scope.followed, function))
        if isinstance(function, ast.Lambda):
            return self.of(function.body, inner)
        if not ast.unparse(function.returns or ast.Constant("")).startswith("str"):
            return [GAP]
        texts = [
            text
            for n in ast.walk(function)
            if isinstance(n, ast.Return) and n.value is not None and module.around(n)[0] is function
            for text in self.of(n.value, inner)
        ]
        return [text if n_words(text) >= MIN_WORDS or not text else GAP for text in texts]
