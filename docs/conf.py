"""The documentation as a site, of the Markdown of this repository as it stands.

`python -m sphinx -W --keep-going -n -c docs . FOLDER` builds it, without network. Every warning is
an error: a link that leads nowhere, a parameter that a docstring and its function do not share, a
name in `backticks` of a docstring that is nowhere in the code.
"""

from __future__ import annotations

import ast
import builtins
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils.nodes import SkipNode, math_block
from latex2mathml.converter import convert
from sphinx.util.logging import getLogger

import speakergmm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docutils.nodes import Node
    from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent

project, version = "speakergmm", speakergmm.__version__
author = project_copyright = "The speakergmm developers"
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]

# The repository is the source, so that links lead where they do for whoever reads the files.
root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "recipes/**.md", "benchmarks/*.md"]
# Not looked into.
exclude_patterns = [".*", "build", "dist", "htmlcov", "out", "speakergmm-demo", "venv"]
myst_heading_anchors = 3
myst_enable_extensions = ["dollarmath"]
# Browsers know MathML, so formulas need neither a script nor a network.
html_math_renderer = "mathml"

# Names in single backticks are of the code; numbers and shapes stand in double ones.
default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
# What is done with a value by calling or adding it.
autodoc_default_options = {"special-members": "__call__, __add__"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
# Sections that are unknown or out of order; parameters that the signature lacks, or has elsewhere.
numpydoc_validation_checks = {"GL06", "GL07", "PR02", "PR03"}
# Types of other packages, and of shapes such as (T, D), are not looked up.
nitpick_ignore_regex = [("py:(class|data|exc)", ".*")]

# Blocks without a language are what a program prints.
highlight_language = "text"
html_theme = "furo"
html_static_path = html_css_files = ["site.css"]
html_title = f"speakergmm {version}"
html_copy_source = html_show_sourcelink = False


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name, body=members):
                yield name
                for member in _defined(members):
                    yield member
                    yield f"{name}.{member}"
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                for target in targets:
                    yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _names_of_the_code() -> set[str]:
    """Give what may stand in backticks: modules, and what they define, with and without module."""
    names = set(dir(builtins))
    for path in ROOT.glob("speakergmm/**/*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        modules = {".".join(parts[i:]) for i in range(len(parts))}
        defined = set(_defined(ast.parse(path.read_text(encoding="utf-8")).body))
        names |= modules | defined | {f"{module}.{name}" for module in modules for name in defined}
    return names


NAMES = _names_of_the_code()


def _link(app: Sphinx, env: Any, node: Any, content: Node) -> Node | None:
    """Find a name of another room; leave one that has no page as it is."""
    if node.get("refdomain") != "py" or node.get("reftype") != "obj":
        return None
    domain, target = env.get_domain("py"), node["reftarget"].removesuffix("()")
    if target.removeprefix("speakergmm.") in speakergmm.__all__:
        target = target.removeprefix("speakergmm.")
    ends = [name for name in domain.objects if f".{name}".endswith(f".{target}")]
    # A function before the method of the same name.
    shortest = min((name.count(".") for name in ends), default=0)
    match [name for name in ends if name.count(".") == shortest]:
        case [name]:
            return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, content)
    return content if target in NAMES else None


def _formula(translator: Any, node: Any) -> None:
    """Write a formula as MathML; a command that is unknown is a warning, hence an error."""
    formula = convert(node.astext(), display="block" if isinstance(node, math_block) else "inline")
    if "\\" in formula:
        getLogger(__name__).warning("unknown in a formula: %s", node.astext(), location=node)
    translator.body.append(formula)
    raise SkipNode


def _signature(*args: Any) -> tuple[str | None, str | None]:
    """Write a default that is made anew as ``...``, where it is ``<factory>``, no Python."""
    *_, signature, returned = args
    return signature and signature.replace("<factory>", "..."), returned


def _with_other_pages(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the pages that no list of contents has in the place of the line ``*``."""
    if page == root_doc:
        listed = source[0].split()
        pages = sorted(path.stem for path in Path(app.srcdir, page).parent.glob("*.md"))
        others = [name for name in pages if name not in (*listed, "index")]
        source[0] = re.sub(r"^\*$", "\n".join(others), source[0], flags=re.MULTILINE)


def _without_folders(app: Sphinx, page: str, source: list[str]) -> None:
    """Take the link off what leads to a folder: a site has none to show."""
    folder = Path(app.srcdir, page).parent

    def shown(link: re.Match[str]) -> str:
        label, target = link.groups()
        return label if (folder / target).is_dir() else link[0]

    source[0] = re.sub(r"\[([^\]]+)\]\(([^)#:]+)\)", shown, source[0])


def setup(app: Sphinx) -> None:
    """Register the above."""
    app.add_html_math_renderer("mathml", (_formula, None), (_formula, None))
    app.connect("autodoc-process-signature", _signature)
    app.connect("source-read", _with_other_pages)
    app.connect("source-read", _without_folders)
    app.connect("missing-reference", _link)
