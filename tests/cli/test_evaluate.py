"""`speakergmm evaluate`: what it reads, what it leaves, and what it says when it cannot."""

from __future__ import annotations

import gzip
import json
import os
import re

import numpy as np
import pytest

from speakergmm.evaluation.cost import COST_POINTS

pytestmark = pytest.mark.usefixtures("leaves_nothing_half_written")

QUICK = ("--resamples", 20, "--quiet")
RESULTS = {"report.html", "metrics.json", "det.svg", "det.png"}
PICTURES = ("det", "histogram", "tippett", "cost", "reliability", "entropy", "speakers")


def table(*, drop=(), n_models=6, seed=0):
    """Rows of a score file, as dictionaries."""
    rng = np.random.default_rng(seed)
    rows = []
    for m in range(n_models):
        for t in range(12):
            is_target = t % n_models == m
            score = rng.normal() + 1.5 * is_target
            row = {
                "model_id": f"m{m}",
                "test_id": f"t{t}",
                "label": "target" if is_target else "nontarget",
                "score": f"{score:.4f}",
                "llr": f"{1.5 * score - 1:.4f}",
                "sex": "fm"[m % 2],
                "room": "large" if t < 4 else "small",
            }
            rows.append({name: cell for name, cell in row.items() if name not in drop})
    return rows


def written(path, rows, *, end="\n", separator=","):
    lines = [rows[0], *(row.values() for row in rows)]
    path.write_bytes((end.join(separator.join(line) for line in lines) + end).encode())
    return path


@pytest.fixture
def scores(tmp_path):
    return written(tmp_path / "s.csv", table())


def refuses(answer, *messages, status=1):
    """Check that a command ended with one line that says all of this, and nothing else."""
    assert (answer.status, answer.out) == (status, "")
    said = answer.err.removeprefix("Usage: speakergmm evaluate [OPTIONS] SCORES...\n")
    # Older versions of click name the other option for help.
    said = re.sub(r"^Try 'speakergmm evaluate (-h|--help)' for help\.\n\n", "", said).strip()
    assert said.lower().startswith("error: ")
    assert "\n" not in said
    for message in messages:
        assert message in said


def test_json_is_what_is_written(cli, scores, tmp_path):
    answer = cli("evaluate", scores, *QUICK, "--json", "--output", tmp_path / "o")
    assert (answer.status, answer.err) == (0, "")
    assert json.loads(answer.out) == json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert {path.name for path in (tmp_path / "o").iterdir()} == RESULTS


def test_by_breaks_down_on_the_screen_and_in_files(cli, scores, tmp_path):
    command = ("evaluate", scores, *QUICK, "--by", "sex", "--by", "room")
    answer = cli(*command, "--output", tmp_path / "o")
    assert answer.status == 0
    firsts = [line.split()[0] for line in answer.out.splitlines() if line]
    start = firsts.index("by")
    assert firsts[start : start + 6] == ["by", "f", "m", "by", "large", "small"]
    breakdown = json.loads((tmp_path / "o" / "breakdown.json").read_text())
    assert list(breakdown) == ["sex", "room"]
    assert [part["n_target"] for part in breakdown["room"]] == [4, 8]
    metrics = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert "breakdown" not in metrics
    assert json.loads(cli(*command, "--json").out) == metrics | {"breakdown": breakdown}
    report = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert "Parts of the trials" in report


def test_a_part_with_trials_of_one_kind_has_no_rate(cli, tmp_path):
    rows = table()
    for row in rows:
        row["room"] = "own" if row["label"] == "target" else "other"
    scores = written(tmp_path / "s.csv", rows)
    answer = cli("evaluate", scores, *QUICK, "--by", "room", "--output", tmp_path / "o", "--plots")
    assert answer.status == 0
    assert [line.split() for line in answer.out.splitlines()].count(["own", "12", "0"]) == 1
    assert not list((tmp_path / "o" / "plots").glob("by-*"))


def test_a_column_that_is_not_there(cli, scores, tmp_path):
    refuses(cli("evaluate", scores, *QUICK, "--by", "sez"), "no column 'sez'", "did you mean 'sex'")
    refuses(cli("evaluate", scores, *QUICK, "--by", "language"), "the columns are model_id, test_")
    trials = written(tmp_path / "t.csv", table(drop=("score", "llr")))
    bare = written(tmp_path / "bare.csv", table(drop=("label", "sex", "room")))
    answer = cli("evaluate", bare, "--trials", trials, *QUICK, "--by", "sexes")
    refuses(answer, "no column 'sexes'")


def test_a_column_that_only_the_trials_have_may_be_misspelt_too(cli, tmp_path):
    trials = written(tmp_path / "t.csv", table(drop=("score", "llr")))
    bare = written(tmp_path / "bare.csv", table(drop=("label", "sex", "room")))
    answer = cli("evaluate", bare, "--trials", trials, *QUICK, "--by", "sez")
    refuses(answer, "did you mean 'sex'")


@pytest.mark.parametrize("name", [name for name, costs in COST_POINTS.items() if len(costs) == 1])
def test_a_point_is_its_cost_model(cli, scores, name):
    named = json.loads(cli("evaluate", scores, *QUICK, "--point", name, "--json").out)
    (cost,) = COST_POINTS[name]
    spelled = ("--p-target", cost.p_target, "--c-miss", cost.c_miss, "--c-fa", cost.c_fa)
    assert named == json.loads(cli("evaluate", scores, *QUICK, *spelled, "--json").out)
    evaluation = named["evaluation"]
    for metric in ("min_dcf", "actual_dcf"):
        assert evaluation[metric] == evaluation["points"][name][metric]


def test_points_that_cannot_be_taken(cli, scores):
    refuses(cli("evaluate", scores, "--quiet", "--point", "sre99"), "no cost point 'sre99'; known")
    mean = cli("evaluate", scores, "--quiet", "--point", "sre16")
    refuses(mean, "mean over several cost models", status=2)
    both = cli("evaluate", scores, "--quiet", "--point", "sre08", "--p-target", 0.1)
    refuses(both, "--point has a cost model of its own", status=2)


def test_plots_are_every_picture_as_svg_and_png(cli, scores, tmp_path):
    answer = cli("evaluate", scores, *QUICK, "--by", "sex", "--plots", "--output", tmp_path / "o")
    assert answer.status == 0
    found = {path.name for path in (tmp_path / "o" / "plots").iterdir()}
    assert found == {f"{n}.{kind}" for n in (*PICTURES, "by-sex") for kind in ("svg", "png")}
    for path in (tmp_path / "o" / "plots").iterdir():
        begin = b"<?xml" if path.suffix == ".svg" else b"\x89PNG"
        assert path.read_bytes().startswith(begin), path.name


def test_plots_need_a_folder(cli, scores):
    refuses(cli("evaluate", scores, "--plots"), "--plots needs a folder: give one with", status=2)


def test_how_a_file_is_written_does_not_matter(cli, tmp_path):
    plain = written(tmp_path / "plain.csv", table())
    wanted = cli("evaluate", plain, *QUICK, "--json").out
    windows = written(tmp_path / "windows.csv", table(), end="\r\n")
    (tmp_path / "s.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + plain.read_bytes())
    for path in (windows, tmp_path / "s.csv.gz", tmp_path / "bom.csv"):
        assert cli("evaluate", path, *QUICK, "--json").out == wanted, path.name


def test_labels_may_come_from_the_trial_list(cli, scores, tmp_path):
    wanted = json.loads(cli("evaluate", scores, *QUICK, "--json", "--by", "sex").out)
    bare = written(tmp_path / "bare.csv", table(drop=("label", "sex")))
    trials = written(tmp_path / "t.csv", table(drop=("score", "llr"))[::-1])
    answer = cli("evaluate", bare, "--trials", trials, *QUICK, "--json", "--by", "sex")
    found = json.loads(answer.out)
    assert found["breakdown"].keys() == wanted["breakdown"].keys()
    for name in ("eer", "min_dcf", "cllr", "auc"):
        assert found["evaluation"][name]["value"] == wanted["evaluation"][name]["value"]


def test_lists_that_do_not_fit_say_how_many_and_which(cli, tmp_path):
    rows = table()
    whole, less = written(tmp_path / "whole.csv", rows), written(tmp_path / "less.csv", rows[:-2])
    refuses(
        cli("evaluate", less, "--trials", whole, *QUICK),
        f"2 trials of {whole} have no score, such as m5 with t10",
    )
    refuses(
        cli("evaluate", whole, "--trials", less, *QUICK),
        f"2 scores are of no trial in {less}, such as m5 with t10",
    )
    flipped = [dict(row) for row in rows]
    for row in flipped[:3]:
        row["label"] = "nontarget" if row["label"] == "target" else "target"
    other = written(tmp_path / "flipped.csv", flipped)
    refuses(
        cli("evaluate", whole, "--trials", other, *QUICK),
        f"3 of 72 trials have another label than in {other}",
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda rows: [r for r in rows if r["label"] == "target"], "there are no nontarget scores"),
        (lambda rows: [r for r in rows if r["label"] != "target"], "there are no target scores"),
        (
            lambda rows: [{k: c for k, c in r.items() if k != "label"} for r in rows],
            "missing column 'label'",
        ),
        (
            lambda rows: [{k: c for k, c in r.items() if k != "score"} for r in rows],
            "missing column 'score'",
        ),
        (lambda rows: [*rows, rows[0]], "duplicate trial: m0, t0"),
        (lambda rows: [rows[0] | {"score": "nan"}, *rows[1:]], "score is 'nan'"),
        (lambda rows: [rows[0] | {"label": "yes"}, *rows[1:]], "label is 'yes'"),
        (lambda rows: [rows[0] | {"score": '"0,53"'}, *rows[1:]], "score is '0,53'"),
    ],
)
def test_a_list_that_cannot_be_used(cli, tmp_path, spoil, said):
    scores = written(tmp_path / "bad.csv", spoil(table()))
    refuses(cli("evaluate", scores, *QUICK, "--output", tmp_path / "o"), said)
    assert not (tmp_path / "o").exists()


def test_many_problems_are_counted_and_listed(cli, tmp_path):
    rows = table()
    scores = written(tmp_path / "bad.csv", [*rows, rows[0], rows[1]])
    answer = cli("evaluate", scores, *QUICK)
    first, *others = answer.err.splitlines()
    assert first == "error: bad.csv cannot be used: 2 problems"
    assert [line.split(": ", 1)[1] for line in others] == [
        "duplicate trial: m0, t0", "duplicate trial: m0, t1",
    ]  # fmt: skip


def test_decimal_commas_are_named(cli, tmp_path):
    rows = [row | {"score": row["score"].replace(".", ",")} for row in table(drop=("llr",))]
    scores = written(tmp_path / "excel.csv", rows, separator=";")
    refuses(cli("evaluate", scores, *QUICK), "separated by ';'", "decimal point, such as 0.53")


def test_files_that_are_not_there_or_empty(cli, tmp_path):
    refuses(cli("evaluate", tmp_path / "no.csv", *QUICK), "no.csv: no such file; expected")
    (tmp_path / "empty.csv").touch()
    refuses(cli("evaluate", tmp_path / "empty.csv", *QUICK), "empty.csv:1: the file is empty")
    trials = tmp_path / "no-trials.csv"
    (tmp_path / "s.csv").write_text("model_id,test_id,score\na,b,1\n")
    refuses(cli("evaluate", tmp_path / "s.csv", "--trials", trials, *QUICK), "no-trials.csv: no")
    assert cli("evaluate", tmp_path).status == 2


def test_a_second_run_takes_the_place_of_the_first(cli, scores, tmp_path):
    command = ("evaluate", scores, *QUICK, "--output", tmp_path / "o")
    assert cli(*command).status == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "o").iterdir()}
    assert cli(*command).status == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "o").iterdir()} == first
    assert cli(*command, "--p-target", 0.5).status == 0
    assert (tmp_path / "o" / "metrics.json").read_bytes() != first["metrics.json"]


def test_what_an_earlier_run_left_does_not_speak_for_this_one(cli, scores, tmp_path):
    command = ("evaluate", scores, *QUICK, "--output", tmp_path / "o")
    assert cli(*command, "--by", "sex", "--plots").status == 0
    assert cli(*command).status == 0
    assert not (tmp_path / "o" / "breakdown.json").exists()


def test_a_folder_that_cannot_be_written(cli, scores, tmp_path):
    (tmp_path / "file").write_text("mine")
    answer = cli("evaluate", scores, *QUICK, "--output", tmp_path / "file" / "o")
    refuses(answer, "cannot be written (Not a directory)")
    assert cli("evaluate", scores, *QUICK, "--output", tmp_path / "file").status == 2
    assert (tmp_path / "file").read_text() == "mine"
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "locked").mkdir(mode=0o555)
    refuses(cli("evaluate", scores, *QUICK, "--output", tmp_path / "locked" / "o"), "cannot be wr")


def test_quiet_says_nothing_on_the_way(cli, scores):
    assert cli("evaluate", scores, *QUICK).err == ""
    assert "reading s.csv ..." in cli("evaluate", scores, "--resamples", 20).err
