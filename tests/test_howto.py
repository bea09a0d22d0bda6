"""The commands of README.md and docs/howto.md, run in their order on synthetic voices.

Pipes and clusters are for the shell: the tour has a stream, test_cluster.py a cluster. That these
are written as the program takes them is for test_commands_in_documents.py.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import soundfile
from shown_commands import blocks_of, commands_of

from speakergmm.audio.synthetic import SyntheticConfig, write_corpus

ROOT = Path(__file__).parent.parent
PROGRAM = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
RECIPE = re.compile(r"^```toml\n(.*?)^```", re.MULTILINE | re.DOTALL)
# Of decisions: accepted, or rejected.
DECIDED = {"verify": {0, 3}, "identify": {0, 3}}


@pytest.fixture(scope="module")
def voices(tmp_path_factory):
    """A folder with all that the pages name."""
    place = tmp_path_factory.mktemp("voices")
    # With channels far enough apart that there are errors to count.
    config = SyntheticConfig(
        background=8, development=8, evaluation=8, enrollment_s=2, test_s=1, channel_db=8
    )
    write_corpus(place, config, seed=5)
    with (place / "utterances.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    write_languages(place, rows)
    (place / "evaluation").rename(place / "lists")
    for row in rows:
        if row["split"] == "development":
            folder = place / "recordings" / row["speaker_id"]
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(place / row["path"], folder)
    strangers = [row["path"] for row in rows if row["split"] == "evaluation"]
    per_speaker = len(strangers) // config.evaluation
    for number, name in enumerate(("alice", "bob", "known")):
        own = strangers[number * per_speaker :]
        for take in (1, 2):
            to_wav(place / own[take - 1], place / f"{name}{take}.wav")
    to_wav(place / strangers[per_speaker - 1], place / "unknown.wav")
    to_wav(place / strangers[3 * per_speaker - 1], place / "questioned.wav")
    (place / "team.csv").write_text("speaker_id,path\ncarol,known1.wav\n")
    (place / "claims.csv").write_text("speaker_id,path\nalice,unknown.wav\nbob,unknown.wav\n")
    (place / "calls.csv").write_text("path\nunknown.wav\nquestioned.wav\n")
    return place


def write_languages(place, rows):
    """Write the recipe's folder of the how-to page, with every other speaker's words as German."""
    folder = place / "languages"
    for split in ("development", "evaluation"):
        (folder / split).mkdir(parents=True)
        shutil.copy(place / split / "tests.csv", folder / split)
    page = (ROOT / "docs" / "howto.md").read_text(encoding="utf-8")
    (recipe,) = RECIPE.findall(page)
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    columns = ["utterance_id", "speaker_id", "path", "split"]
    with (folder / "utterances.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, [*columns, "condition"], extrasaction="ignore")
        table.writeheader()
        for row in rows:
            is_odd = int(row["speaker_id"][1:]) % 2
            table.writerow(row | {"condition": "German" if is_odd else "Dutch"})


def to_wav(source, target):
    samples, sample_rate = soundfile.read(source)
    soundfile.write(target, samples, sample_rate)


def commands_to_run(page):
    for block in blocks_of(page):
        for line in block.replace("\\\n", " ").splitlines():
            if "|" in line or "--scheduler" in line or "case $?" in line:
                continue
            yield from commands_of(line)


def expanded(words):
    """Do what a shell does with patterns."""
    for word in words:
        found = sorted(Path().glob(word)) if "*" in word else []
        yield from map(str, found or [word])


def run_all(cli, page):
    n_run = 0
    for words in commands_to_run(page):
        answer = cli(*expanded(words))
        allowed = DECIDED.get(words[0], {0}) if "--list" not in words else {0}
        assert answer.status in allowed, (words, answer.err)
        n_run += 1
    return n_run


def test_the_how_to_page_does_what_it_says(cli, voices, tmp_path, monkeypatch):
    place = tmp_path / "here"
    shutil.copytree(voices, place)
    monkeypatch.chdir(place)
    page = (ROOT / "docs" / "howto.md").read_text(encoding="utf-8")
    # Scores that another program made, and their labels, are at hand only now.
    before, after = page.split("## Evaluate the scores of another toolkit")
    n_run = run_all(cli, before)
    with Path("scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    other = [f"{row['model_id']},{row['test_id']},{row['score']}" for row in rows]
    labels = [f"{row['model_id']},{row['test_id']},{row['label']}" for row in rows]
    Path("other.csv").write_text("\n".join(["model_id,test_id,score", *other, ""]))
    Path("trials.csv").write_text("\n".join(["model_id,test_id,label", *labels, ""]))
    n_run += run_all(cli, after)
    assert n_run > 30
    names = {}
    for program in PROGRAM.findall(page):
        exec(compile(program, "howto.md", "exec"), names)
    assert isinstance(names["answer"].accepted, bool)
    assert names["llr"] == pytest.approx(calibrated(names["score"]))


def calibrated(score):
    fitted = json.loads(Path("languages/out/calibration.json").read_text(encoding="utf-8"))
    return fitted["scale"] * score + fitted["offset"]


def test_the_five_minutes_of_the_readme_do_what_they_say(cli, voices, tmp_path, monkeypatch):
    place = tmp_path / "here"
    shutil.copytree(voices, place)
    monkeypatch.chdir(place)
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    _, five_minutes = page.split("## Five minutes")
    # Corpora and recipes need recordings that are not here; the tour runs the demo.
    steps, _ = five_minutes.split("**7. A corpus that you have**")
    assert run_all(cli, steps) == 9
    assert Path("results/report.html").is_file()
