"""Run the recipes on the real corpora, as their READMEs say, and write down what they gave.

`expected.json` of each, and the table of all of them in `recipes/README.md`:

python recipes/regenerate_expected.py CORPORA_FOLDER [RECIPE ...]
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from page_tables import write_tables

from speakergmm.corpora.known import known_corpus
from speakergmm.corpora.known.preparing import protocol_named
from speakergmm.evaluation.draws import Estimate
from speakergmm.evaluation.wording import format_interval, format_value
from speakergmm.files import write_json
from speakergmm.recipes import Condition, load_recipe

if TYPE_CHECKING:
    from speakergmm.recipes.config import Recipe

RECIPES = Path(__file__).parent
PAGE, SCRIPT = RECIPES / "README.md", "regenerate_expected.py"

# On another processor or library, k-means and EM round differently and end elsewhere, as with
# another seed: about three standard deviations over seeds (see the recipes' READMEs).
CLEAN = {"eer": 0.013, "min_dcf": 0.06, "cllr": 0.05}
OTHER_CHANNELS = {"eer": 0.025, "min_dcf": 0.1, "cllr": 0.05}
FEW_TESTS = {"eer": 0.025, "min_dcf": 0.08, "cllr": 0.06}


@dataclass(frozen=True)
class Promise:
    """What is expected of a recipe.

    ``eer_at_most`` must not be exceeded by the evaluation's EER; ``peers`` is what others gave on
    the same trials, with one setting for all or the best of several by development.
    """

    eer_at_most: float
    tolerance: dict[str, float]
    peers: str = "none known"


PROMISES = {
    "speech_commands": Promise(
        0.038,
        CLEAN,
        "SIDEKIT 2.8 %, its recipe 8.8 %; scikit-learn by hand 5.4 %; ALIZE 5.8 %; bob 6.9 %",
    ),
    "librispeech_excerpts": Promise(
        0.011,
        CLEAN,
        "bob 0.71 %; SIDEKIT 0.76 %, its recipe 4.0 %; scikit-learn by hand 0.81 %; ALIZE 1.09 %",
    ),
    "speech_commands_multisession": Promise(0.095, OTHER_CHANNELS),
    # Three standard deviations over seeds above the mean; the aim of 12 % is not quite reached.
    "librispeech_excerpts_multisession": Promise(0.14, OTHER_CHANNELS),
    "librispeech_excerpts_sex": Promise(0.05, FEW_TESTS),
    # Two speakers, who are not calibrated.
    "fsdd": Promise(0.02, {"eer": 0.02, "min_dcf": 0.08}),
}


def corpus_folder(recipe: Recipe) -> str:
    """Name the folder of a recipe's corpus among the corpora."""
    return recipe.manifests.name if recipe.manifests else recipe.head.corpus


def arguments(name: str, corpus: str, output: str, noise: str) -> list[str]:
    """Give the command that runs a recipe."""
    recipe = load_recipe(RECIPES / name)
    words = ["recipe", "run", f"recipes/{name}", "--corpus", corpus, "--output", output]
    if Condition.parse(recipe.head.condition).degradation.needs_noise:
        words += ["--noise", noise]
    return words


def run(name: str, corpora: Path) -> dict[str, Any]:
    """Run a recipe in a process of its own, and give its metrics, its time and its memory."""
    corpus = corpora / corpus_folder(load_recipe(RECIPES / name))
    with tempfile.TemporaryDirectory() as output:
        words = [
            sys.executable, "-m", "speakergmm",
            *arguments(name, str(corpus), output, str(corpora / "noise")), "--quiet",
        ]  # fmt: skip
        began = time.perf_counter()
        child = os.posix_spawn(words[0], words, os.environ)
        _, status, usage = os.wait4(child, 0)
        if status:
            raise SystemExit(f"{name}: the recipe failed")
        seconds = time.perf_counter() - began
        metrics = json.loads((Path(output) / "metrics.json").read_text(encoding="utf-8"))
    del metrics["seconds"]
    measured = {"seconds": round(seconds, 1), "memory_mb": round(usage.ru_maxrss / 1000)}
    return {"metrics": metrics, "measured": measured}


def table() -> list[str]:
    """Write what all recipes gave that could be run, a row each."""
    lines = [
        (
            "| recipe | speakers | trials (target + nontarget) | EER (95 % interval) | minDCF | "
            "Cllr | time | memory | others, EER |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, promise in PROMISES.items():
        found = json.loads((RECIPES / name / "expected.json").read_text(encoding="utf-8"))
        evaluation, measured = found["metrics"]["evaluation"], found["measured"]
        eer = Estimate(**evaluation["eer"])
        interval = format_interval("eer", eer)
        cllr = "none fitted"
        if "cllr" in evaluation:
            cllr = format_value("cllr", evaluation["cllr"]["value"])
        cells = [
            f"[{name}]({name}/README.md)",
            f"{evaluation['n_speakers']:,}",
            f"{evaluation['n_target']:,} + {evaluation['n_nontarget']:,}",
            format_value("eer", eer.value) + (f" ({interval})" if interval else ""),
            format_value("min_dcf", evaluation["min_dcf"]["value"]),
            cllr,
            f"{measured['seconds']:.0f} s",
            f"{measured['memory_mb'] / 1000:.2f} GB",
            promise.peers,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def table_of_others() -> list[str]:
    """Write what the recipes are that could not be run, a row each."""
    lines = ["| recipe | hours | to be had | protocol |", "|---|---|---|---|"]
    for path in sorted(RECIPES.glob("*/recipe.toml")):
        recipe = load_recipe(path)
        if (path.parent / "expected.json").exists():
            continue
        corpus = known_corpus(recipe.head.corpus)
        _, protocol = protocol_named(corpus, recipe.head.protocol or None)
        name = path.parent.name
        cells = [
            f"[{name}]({name}/README.md)",
            "" if corpus.hours is None else f"{corpus.hours:,.4g}",
            corpus.to_be_had,
            protocol.summary,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(corpora: Path, chosen: list[str]) -> None:
    """Write the figures of the recipes, and the table of all."""
    for name in chosen or PROMISES:
        promise = PROMISES[name]
        command = " ".join(["speakergmm", *arguments(name, "CORPUS", "OUTPUT", "NOISES")])
        entry = {"command": command, "eer_at_most": promise.eer_at_most}
        entry |= {"tolerance": promise.tolerance, **run(name, corpora)}
        write_json(RECIPES / name / "expected.json", entry)
    write_tables(PAGE, {"figures": table(), "others": table_of_others()}, SCRIPT)


if __name__ == "__main__":
    os.chdir(RECIPES.parent)
    main(Path(sys.argv[1]), sys.argv[2:])
