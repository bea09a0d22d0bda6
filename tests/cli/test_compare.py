"""`speakergmm compare`: several systems on the same trials."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")

QUICK = ("--resamples", 100, "--quiet")
N_SPEAKERS = 10


def write_system(path, distance, *, llr=True, reverse=False):
    """Write scores of one list of trials: the same luck, told apart as well as asked for."""
    rng = np.random.default_rng(1)
    lines = []
    for m in range(N_SPEAKERS):
        for t in range(3 * N_SPEAKERS):
            is_target = t % N_SPEAKERS == m
            score = rng.normal() + distance * is_target
            label = "target" if is_target else "nontarget"
            lines.append(f"m{m},t{t},{label},{score:.6f}" + (f",{score - 1:.6f}" if llr else ""))
    path.parent.mkdir(parents=True, exist_ok=True)
    header = "model_id,test_id,label,score" + (",llr" if llr else "")
    path.write_text("\n".join([header, *(lines[::-1] if reverse else lines)]) + "\n")
    return path


@pytest.fixture
def good(tmp_path):
    return write_system(tmp_path / "good.csv", 3.5)


@pytest.fixture
def bad(tmp_path):
    return write_system(tmp_path / "bad.csv", 1.0)


def refuses(answer, *messages, status=1):
    assert (answer.status, answer.out) == (status, "")
    said = answer.err.removeprefix("Usage: speakergmm compare [OPTIONS] RUN...\n")
    # Older versions of click name the other option for help.
    said = re.sub(r"^Try 'speakergmm compare (-h|--help)' for help\.\n\n", "", said).strip()
    assert said.lower().startswith("error: ")
    assert "\n" not in said
    for message in messages:
        assert message in said


def test_the_better_of_two_files_is_named(cli, good, bad):
    answer = cli("compare", bad, good, *QUICK)
    assert (answer.status, answer.err) == (0, "")
    assert "good is better than bad in EER by " in answer.out
    assert "good is better than bad in minCllr by " in answer.out
    # Whichever comes first.
    assert "good is better than bad in EER by " in cli("compare", good, bad, *QUICK).out


def test_folders_of_recipes_are_runs(cli, good, bad, tmp_path):
    for name, file in (("new", good), ("old", bad)):
        (tmp_path / "out" / name).mkdir(parents=True)
        shutil.copy(file, tmp_path / "out" / name / "scores.csv")
    answer = cli("compare", tmp_path / "out" / "old", tmp_path / "out" / "new", *QUICK)
    assert answer.status == 0
    assert "new is better than old in EER" in answer.out
    mixed = cli("compare", tmp_path / "out" / "old", good, *QUICK)
    assert "good is better than old in EER" in mixed.out


def test_a_score_file_of_the_usual_name_is_called_by_it(cli, good, bad):
    usual = shutil.copy(good, good.parent / "scores.csv")
    answer = cli("compare", bad, usual, *QUICK, "--json")
    assert list(json.loads(answer.out)["systems"]) == ["bad", "scores"]


def test_runs_of_one_name_are_told_apart(cli, tmp_path):
    first = write_system(tmp_path / "first" / "scores.csv", 3.5)
    second = write_system(tmp_path / "second" / "scores.csv", 1.0)
    answer = cli("compare", first, second, *QUICK, "--json")
    names = list(json.loads(answer.out)["systems"])
    assert len(names) == 2
    assert "first" in names[0]
    assert "second" in names[1]


def test_three_systems_make_three_pairs(cli, good, bad, tmp_path):
    middle = write_system(tmp_path / "middle.csv", 2.0, llr=False)
    found = json.loads(cli("compare", good, middle, bad, *QUICK, "--json").out)
    assert list(found["systems"]) == ["good", "middle", "bad"]
    pairs = [(c["first"], c["second"]) for c in found["comparisons"]]
    assert pairs == [("good", "middle"), ("good", "bad"), ("middle", "bad")]
    # Ratios can only be compared where both have them.
    has = ["cllr" in comparison["differences"] for comparison in found["comparisons"]]
    assert has == [False, True, False]
    for comparison in found["comparisons"]:
        one, other = (found["systems"][comparison[side]] for side in ("second", "first"))
        difference = comparison["differences"]["eer"]
        assert difference["value"] == pytest.approx(one["eer"]["value"] - other["eer"]["value"])
        assert difference["adjusted_p_value"] >= difference["p_value"]


def test_the_order_of_lines_does_not_matter(cli, good, tmp_path):
    again = write_system(tmp_path / "again.csv", 3.5, reverse=True)
    answer = cli("compare", good, again, *QUICK)
    assert answer.status == 0
    assert "good and again have the same EER." in answer.out


def test_output_holds_the_numbers_and_the_page(cli, good, bad, tmp_path):
    answer = cli("compare", bad, good, *QUICK, "--json", "--output", tmp_path / "o")
    assert {path.name for path in (tmp_path / "o").iterdir()} == {
        "report.html", "comparison.json", "comparison.csv", "det.svg", "det.png",
    }  # fmt: skip
    found = json.loads(answer.out)
    assert found == json.loads((tmp_path / "o" / "comparison.json").read_text())
    with (tmp_path / "o" / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    differences = found["comparisons"][0]["differences"]
    assert [row["metric"] for row in rows] == list(differences)
    for row in rows:
        assert (row["system"], row["less"]) == ("good", "bad")
        assert float(row["difference"]) == differences[row["metric"]]["value"]
    report = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert "good is better than bad in EER by " in report
    last = cli("compare", bad, good, *QUICK, "--output", tmp_path / "o").out.splitlines()[-1]
    assert last == f"Report: {tmp_path / 'o' / 'report.html'}"


def test_without_resamples_nothing_is_sure(cli, good, bad):
    answer = cli("compare", good, bad, "--resamples", 0, "--quiet")
    assert "good has the better EER, by " in answer.out
    assert "p <" not in answer.out


def test_the_cost_model_is_taken(cli, good, bad):
    values = [
        json.loads(cli("compare", good, bad, *QUICK, "--p-target", p, "--json").out)
        for p in (0.01, 0.5)
    ]
    costs = [found["systems"]["good"]["min_dcf"]["value"] for found in values]
    assert costs[0] != costs[1]
    refuses(cli("compare", good, bad, *QUICK, "--p-target", 2), "p_target is 2.0; expected")


def test_runs_that_cannot_be_compared(cli, good, bad, tmp_path):
    refuses(cli("compare", good, *QUICK), "there is one run; give two or more", status=2)
    refuses(cli("compare", good, good, *QUICK), "stands there twice", status=2)
    refuses(
        cli("compare", good, tmp_path / "none", *QUICK),
        "none: no such run; expected the output folder",
    )
    (tmp_path / "folder").mkdir()
    refuses(cli("compare", tmp_path / "folder", good, *QUICK), "folder: no scores.csv there")
    short = tmp_path / "short.csv"
    short.write_text("\n".join(bad.read_text().splitlines()[:-3]) + "\n")
    refuses(
        cli("compare", good, short, *QUICK, "--output", tmp_path / "o"),
        "good and short are not of the same trials: 3 only in good, such as m9 with t27",
    )
    flipped = tmp_path / "flipped.csv"
    flipped.write_text(bad.read_text().replace("m0,t0,target", "m0,t0,nontarget"))
    refuses(cli("compare", good, flipped, *QUICK), "1 of 300 trials have another label than in")
    unlabeled = tmp_path / "unlabeled.csv"
    unlabeled.write_text("model_id,test_id,score\nm0,t0,1\n")
    refuses(cli("compare", good, unlabeled, *QUICK), "missing column 'label'")
    assert not (tmp_path / "o").exists()


def test_the_same_file_by_two_paths_is_one_run(cli, good, tmp_path):
    (tmp_path / "x").mkdir()
    roundabout = tmp_path / "x" / ".." / "good.csv"
    refuses(cli("compare", good, roundabout, *QUICK), "stands there twice", status=2)


def test_quiet_says_nothing_on_the_way(cli, good, bad):
    assert cli("compare", good, bad, *QUICK).err == ""
    assert "reading (2) ..." in cli("compare", good, bad, "--resamples", 20).err


def test_a_trial_list_gives_the_labels_that_score_files_lack(cli, good, bad, tmp_path):
    rows = [line.split(",") for line in good.read_text().splitlines()]
    trials = tmp_path / "trials.csv"
    trials.write_text("".join(f"{','.join(row[:3])}\n" for row in rows))
    for file in (good, bad):
        lines = [line.split(",") for line in file.read_text().splitlines()]
        file.write_text("".join(f"{','.join([*row[:2], *row[3:]])}\n" for row in lines))
    refuses(cli("compare", bad, good, *QUICK), "missing column 'label'", "--trials trials.csv")
    answer = cli("compare", bad, good, "--trials", trials, *QUICK)
    assert "good is better than bad in EER by " in answer.out
