"""Every message of the exception tree, and what docs/troubleshooting.md says of them.

`python tests/error_messages.py` prints the lines that the page lacks, and those which no message
has any more.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
from source_texts import GAP, MAX_ALTERNATIVES, MIN_WORDS, Module, Scope, Texts, elements, n_words

from speakergmm.audio.corpus_check import HEADINGS
from speakergmm.errors import SpeakerGMMError

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "speakergmm"
PAGE = ROOT / "docs" / "troubleshooting.md"

# Shown in parentheses behind "damaged" and the like: what was wrong in detail.
DETAILS = {"ValueError", "_HeaderError", "_CutOffError", "_UnfitError", "OperationalError"}
# Functions that say what makes an answer less certain.
WARNERS = {"warnings", "_warnings", "_notes", "check_support"}
WARNING_ROOMS = ("audio", "verification", "recipes", "evaluation/decisions.py")

# Names of things that stand before a message, as in "s01.wav: ..." or "lists/trials.csv:7: ...".
BEFORE = re.compile(rf"^(((utterance|test|speaker) )?{GAP}([:/]({GAP}|\d+))*: )+")


class Message(NamedTuple):
    """One way in which a message may read, and where the code says so."""

    text: str
    place: str


def normalized(text: str) -> str:
    """Write a message in one line, without the names of things that stand before it."""
    text = re.sub(rf"{GAP}( ?{GAP})*", GAP, " ".join(text.split()))
    return BEFORE.sub("", text).strip(" :")


class Collector:
    """Goes through the package and notes its messages."""

    def __init__(self) -> None:
        self.source = Texts(PACKAGE)
        self.messages: list[Message] = []
        # What has no text of its own: "module function: expression".
        self.passed_on: set[str] = set()
        self.n_raised = 0
        for module in self.source.modules.values():
            for node in module.parents:
                if isinstance(node, ast.Raise | ast.Call | ast.Assign):
                    self._look(node, module, Scope(module, module.around(node)))

    def _look(self, node: ast.AST, module: Module, scope: Scope) -> None:
        match node:
            case ast.Raise(exc=ast.expr() as raised) if self._is_ours(raised, scope):
                self.n_raised += 1
                self._check_source(raised, module, scope)
            case ast.Raise(exc=ast.Call(func=func, args=[text, *_])) if (
                ast.unparse(func).rpartition(".")[2] in DETAILS
            ):
                self._note(text, node, scope, min_words=MIN_WORDS)
            case ast.Call(func=func, args=[text, *_]) if self._is_error(func, scope):
                self._note(text, node, scope)
            case ast.Call(func=ast.Attribute(value=owner, attr="add"), args=[_, text]) if (
                ast.unparse(owner).endswith("problems")
            ):
                self._note(text, node, scope)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="self"), attr="add"), args=[_, text]
            ):
                # `Problems` notes some itself.
                self._note(text, node, scope)
            case ast.Call(func=ast.Attribute(attr="add_all"), args=[_, function]):
                self._note(ast.Call(function, [], []), node, scope)
            case ast.Call(func=ast.Name(id="problem_report"), args=[heading, problems]):
                self._note(heading, node, scope)
                for text in elements(problems, scope):
                    self._note(text, node, scope, min_words=MIN_WORDS)
            case ast.Assign(targets=[ast.Name(id="complaint")], value=text):
                self._note(text, node, scope, min_words=MIN_WORDS)

    def _is_error(self, node: ast.expr, scope: Scope) -> bool:
        """Tell whether an expression is a class of the tree, or one of Click's errors."""
        match node:
            case ast.IfExp(body=body, orelse=orelse):
                return self._is_error(body, scope) and self._is_error(orelse, scope)
            case ast.Attribute(value=ast.Name(id="kind"), attr="error"):
                return True
            case ast.Name(id=name) if name in scope.local.assigned:
                return all(self._is_error(value, scope) for value in scope.local.assigned[name])
        value = scope.value(node)
        ours = (SpeakerGMMError, click.ClickException)
        return isinstance(value, type) and issubclass(value, ours)

    def _is_ours(self, raised: ast.expr, scope: Scope) -> bool:
        """Tell whether what is raised may be of the tree: it is no other class of exceptions."""
        func = raised.func if isinstance(raised, ast.Call) else raised
        value = scope.value(func)
        is_class = isinstance(value, type) and issubclass(value, BaseException)
        return self._is_error(func, scope) or not is_class

    def _check_source(self, raised: ast.expr, module: Module, scope: Scope) -> None:
        """Note what is raised and neither made there nor by a function that makes such errors."""
        func = raised.func if isinstance(raised, ast.Call) else raised
        if isinstance(raised, ast.Call) and self._is_error(func, scope):
            return
        called = self.source.called(func, scope) if isinstance(raised, ast.Call) else None
        if called is None or not self._makes_errors(*called):
            self.passed_on.add(f"{_place(raised, scope)}: {ast.unparse(raised)}")

    def _makes_errors(self, module: Module, function: ast.AST) -> bool:
        calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
        scopes = [Scope(module, module.around(node)) for node in calls]
        if any(self._is_error(node.func, s) for node, s in zip(calls, scopes, strict=True)):
            return True
        inner = [self.source.called(n.func, s) for n, s in zip(calls, scopes, strict=True)]
        return any(self._makes_errors(*c) for c in inner if c is not None and c[1] is not function)

    def _note(self, text: ast.expr, node: ast.AST, scope: Scope, min_words: int = 1) -> None:
        """Note all ways in which a text may read, with what callers give to its function."""
        callers = self._from_callers(scope)
        if len(callers) * len(self.source.of(text, scope)) <= MAX_ALTERNATIVES:
            scopes, more = [replace(scope, given=given) for given in callers] or [scope], []
        else:
            scopes, more = [scope], [t for given in callers for ts in given.values() for t in ts]
        texts = [*more, *(text_ for s in scopes for text_ in self.source.of(text, s))]
        self._keep(texts, node, scope, min_words, ast.unparse(text))

    def _keep(
        self, texts: Iterable[str], node: ast.AST, scope: Scope, min_words: int, code: str
    ) -> None:
        ways = {normalized(text) for text in texts}
        ways = {way for way in ways if n_words(way) >= min_words}
        place = _place(node, scope)
        if not ways and min_words == 1:
            self.passed_on.add(f"{place}: {code}")
        for way in sorted(ways):
            # What is a part of another is found with it.
            if not any(way in other for other in ways - {way}):
                self.messages.append(Message(way, f"{place}, line {node.lineno}"))

    def _from_callers(self, scope: Scope) -> list[dict[str, list[str]]]:
        """Give the texts that calls of the function around bring, for each call that has some."""
        found = []
        function = scope.functions[0] if scope.functions else None
        for module, call in self.source.calls.get(function, ()):
            texts = self.source.given(function, call, Scope(module, module.around(call)))
            given = {k: v for k, v in texts.items() if any(n_words(t) >= MIN_WORDS for t in v)}
            if given:
                found.append(given)
        return found


def _place(node: ast.AST, scope: Scope) -> str:
    path = scope.module.path.relative_to(PACKAGE).as_posix()
    names = [f.name for f in scope.functions if isinstance(f, ast.FunctionDef)]
    return f"{path} {names[0] if names else ''}".strip()


def warnings(source: Texts) -> list[Message]:
    """Give what is said of answers that are less certain, and of recordings."""
    found = [Message(text, "audio/corpus_check.py") for text in HEADINGS.values()]
    for module in source.modules.values():
        path = module.path.relative_to(PACKAGE).as_posix()
        if path.startswith(WARNING_ROOMS):
            for node in module.parents:
                scope = Scope(module, module.around(node))
                if _is_warning(node, scope):
                    text = node.args[0] if isinstance(node, ast.Call) else node
                    place = f"{_place(node, scope)}, line {node.lineno}"
                    ways = (way for way in source.of(text, scope) if n_words(way) > MIN_WORDS)
                    found += [Message(normalized(way), place) for way in ways]
    texts = {message.text for message in found}
    return [m for m in found if not any(m.text in other for other in texts - {m.text})]


def _is_warning(node: ast.AST, scope: Scope) -> bool:
    """Tell whether a node is the whole text of a warning, or a call that notes one."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) == "warnings.append"
    names = {f.name for f in scope.functions if isinstance(f, ast.FunctionDef)}
    parts = (ast.JoinedStr, ast.FormattedValue, ast.Expr, ast.Subscript)
    is_whole = isinstance(node, ast.JoinedStr | ast.Constant) and not isinstance(
        scope.module.parents[node], parts
    )
    return is_whole and bool(names & WARNERS)


def listed() -> list[str]:
    """Give the messages that the page lists: the lines of its blocks of text."""
    blocks = re.findall(
        r"^```text\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [line for block in blocks for line in block.splitlines()]


def differences(
    messages: Iterable[Message], lines: Iterable[str]
) -> tuple[list[Message], list[str]]:
    """Give the messages that are not listed, and the lines that are no message."""
    there = {message.text: message for message in messages}
    known = set(lines)
    missing = [message for text, message in there.items() if text not in known]
    return missing, sorted(known - there.keys())


def every_message() -> list[Message]:
    """Give all errors and warnings."""
    collector = Collector()
    return [*collector.messages, *warnings(collector.source)]


if __name__ == "__main__":
    lacking, gone = differences(every_message(), listed())
    told = [f"not in the page: {message.text}\n    {message.place}\n" for message in lacking]
    sys.stdout.writelines(told + [f"no message any more: {line}\n" for line in gone])
    sys.exit(1 if told or gone else 0)
