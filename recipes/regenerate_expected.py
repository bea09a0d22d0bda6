"""Run the recipes on the real corpora and write their `expected.json` anew.

python recipes/regenerate_expected.py CORPORA_FOLDER
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from speakergmm.files import write_json
from speakergmm.recipes import Condition, Experiment, load_recipe

# Evaluation EER that a recipe must not exceed.
EER_AT_MOST = {
    "speech_commands": 0.038,
    "librispeech_excerpts": 0.011,
    "speech_commands_multisession": 0.095,
    # Three standard deviations over seeds above the mean; the aim of 12 % is not quite reached.
    "librispeech_excerpts_multisession": 0.14,
}

# On another processor or library, k-means and EM round differently and end elsewhere, as with
# another seed: about three standard deviations over seeds (see the recipes' READMEs).
TOLERANCE = {
    "clean": {"eer": 0.013, "min_dcf": 0.06, "cllr": 0.05},
    "multisession": {"eer": 0.025, "min_dcf": 0.1, "cllr": 0.05},
}


def main(corpora: Path) -> None:
    """Write the figures of every recipe that has a corpus in the folder."""
    for name, eer_at_most in EER_AT_MOST.items():
        folder = Path(__file__).parent / name
        with tempfile.TemporaryDirectory() as output:
            recipe = load_recipe(folder)
            corpus = corpora / recipe.manifests.name
            result = Experiment(recipe, corpus, output, noise=corpora / "noise").run()
        command = f"speakergmm recipe run recipes/{name} --corpus CORPUS --output OUTPUT"
        if Condition.parse(recipe.head.condition).degradation.needs_noise:
            command += " --noise NOISES"
        write_json(
            folder / "expected.json",
            {
                "command": command,
                "eer_at_most": eer_at_most,
                "tolerance": TOLERANCE[recipe.head.condition],
                "metrics": {split: e.to_json() for split, e in result.evaluations.items()},
            },
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
