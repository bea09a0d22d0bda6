"""Trial lists and score files."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.corpora import (
    Scores,
    Trials,
    align_scores,
    all_against_all,
    pool_scores,
    read_scores,
    read_trials,
    trial_speakers,
    write_scores,
)
from speakergmm.errors import ManifestError, OutputError

MODELS = {"m1": "ann", "m2": "bob", "m3": "ann", "mö": "zoë"}
TESTS = {"t1": "bob", "t2": "ann", "t,3": "zoë"}
HEADER = "model_id,test_id,label"
SCORES_HEADER = f"{HEADER},score"


def label(model, test):
    return "target" if MODELS[model] == TESTS[test] else "nontarget"


def written_out(pairs):
    """Give the list of trials in full, one row each."""
    return "\n".join([HEADER, *(f'{m},"{t}",{label(m, t)}' for m, t in pairs)]) + "\n"


def triples(trials):
    return [
        (trials.model_ids[m], trials.test_ids[t], bool(target))
        for m, t, target in zip(
            trials.model_index, trials.test_index, trials.is_target, strict=True
        )
    ]


def assert_same(a, b):
    assert (a.model_ids, a.test_ids) == (b.model_ids, b.test_ids)
    np.testing.assert_array_equal(a.model_index, b.model_index)
    np.testing.assert_array_equal(a.test_index, b.test_index)
    np.testing.assert_array_equal(a.is_target, b.is_target)


# --- trials ---


def test_trials_keep_their_order_and_their_labels(write):
    pairs = [("m2", "t1"), ("m1", "t1"), ("mö", "t,3"), ("m1", "t2")]
    trials = read_trials(write("trials.csv", written_out(pairs)), MODELS, TESTS)
    assert triples(trials) == [(m, t, label(m, t) == "target") for m, t in pairs]
    assert len(trials) == 4
    assert trials.model_ids == ("m2", "m1", "mö")
    assert trials.model_index.dtype == trials.test_index.dtype == np.int32


WILDCARDS = {
    "every model": ("*", "t1", itertools.product(MODELS, ["t1"])),
    "every test": ("m1", "*", itertools.product(["m1"], TESTS)),
    "all": ("*", "*", itertools.product(MODELS, TESTS)),
}


@pytest.mark.parametrize(("model", "test", "pairs"), WILDCARDS.values(), ids=WILDCARDS.keys())
def test_a_star_is_the_full_list_written_out(write, model, test, pairs):
    short = write("short.csv", f"{HEADER}\n{model},{test},\n")
    full = write("full.csv", written_out(pairs))
    assert_same(read_trials(short, MODELS, TESTS), read_trials(full, MODELS, TESTS))


def test_all_against_all_is_the_double_star(write):
    path = write("trials.csv", f"{HEADER}\n*,*,\n")
    assert_same(all_against_all(MODELS, TESTS), read_trials(path, MODELS, TESTS))


def test_all_against_all_by_hand():
    trials = all_against_all({"m": "a", "n": "b"}, {"t": "b", "u": "a", "v": "c"})
    assert triples(trials) == [
        ("m", "t", False), ("m", "u", True), ("m", "v", False),
        ("n", "t", True), ("n", "u", False), ("n", "v", False),
    ]  # fmt: skip


def test_stars_and_single_trials_may_stand_in_one_list(write):
    rows = f"{HEADER}\n*,t1,\nm1,t2,target\n"
    trials = read_trials(write("trials.csv", rows), MODELS, TESTS)
    expected = [(m, "t1", MODELS[m] == "bob") for m in MODELS]
    assert triples(trials) == [*expected, ("m1", "t2", True)]


def test_a_label_beside_a_star_must_hold_for_each_trial(write):
    models, tests = {"m1": "ann", "m2": "ann"}, {"t": "ann", "u": "bob"}
    trials = read_trials(write("fit.csv", f"{HEADER}\n*,t,target\n"), models, tests)
    assert triples(trials) == [("m1", "t", True), ("m2", "t", True)]
    path = write("unfit.csv", f"{HEADER}\nm1,*,target\n")
    with pytest.raises(ManifestError, match=r"unfit\.csv:2: label is 'target', but model 'm1'"):
        read_trials(path, models, tests)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("m9,t1,target", ":2: unknown model_id 'm9'"),
        ("m1,t9,target", ":2: unknown test_id 't9'"),
        ("*,t9,", ":2: unknown test_id 't9'"),
        ("m1,t1,impostor", ":2: label is 'impostor'; expected 'target' or 'nontarget'"),
        ("m1,t1,Target", ":2: label is 'Target'; expected"),
        ("m1,t1,1", ":2: label is '1'; expected"),
        ("m1,t1,", ":2: label is ''; expected 'target' or 'nontarget'"),
        ("*,*,both", ":2: label is 'both'; expected"),
        (
            "m1,t1,target",
            ":2: label is 'target', but model 'm1' is speaker 'ann' and test 't1' is speaker 'bob'",
        ),
        (
            "m1,t2,nontarget",
            ":2: label is 'nontarget', but model 'm1' is speaker 'ann' and test 't2' is speaker",
        ),
        ("m1,t2,target\nm1,t2,target", ":3: duplicate trial: m1, t2"),
        ("*,t2,\nm1,t2,target", ":3: duplicate trial: m1, t2"),
        ("m1,t2,target\n*,*,", ":3: duplicate trial: *,* stands for all"),
        (",t1,target", ":2: no value for model_id"),
        ("m1,t1", ":2: 2 cells; the header has 3 columns"),
    ],
)
def test_a_wrong_trial_is_told_by_file_and_line(write, row, message):
    path = write("trials.csv", f"{HEADER}\n{row}\n")
    with pytest.raises(ManifestError, match=re.escape(f"{path}{message}")):
        read_trials(path, MODELS, TESTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; expected the header 'model_id,test_id,label'"),
        (f"{HEADER}\n", "the list is empty"),
        ("model_id,test_id\nm1,t1\n", "missing column 'label'"),
        ("model,test_id,label\nm1,t1,target\n", "unknown column 'model'; did you mean 'model_id'?"),
        (f"{HEADER},label\nm1,t2,target,target\n", "column 'label' stands there twice"),
    ],
)
def test_a_file_that_is_no_trial_list(write, text, message):
    with pytest.raises(ManifestError, match=re.escape(message)):
        read_trials(write("trials.csv", text), MODELS, TESTS)


def test_all_problems_of_a_trial_list_are_told_together(write):
    rows = "m1,t2,target\nm9,t9,wrong\nm1,t1,target\nm1,t2,target\n"
    path = write("trials.csv", f"{HEADER}\n{rows}")
    with pytest.raises(ManifestError) as caught:
        read_trials(path, MODELS, TESTS)
    message = str(caught.value)
    assert message.startswith("trials.csv cannot be used: 5 problems")
    assert re.findall(r"trials\.csv:(\d+)", message) == ["3", "3", "3", "4", "5"]


# --- score files ---


def scores_of(score, llr=None):
    """Scores of len(score) trials: two models, ids that need quotes."""
    n = len(score)
    trials = Trials(
        ("mödel, 1", 'm"2'),
        tuple(f"t{i}" for i in range(n)),
        np.arange(n, dtype=np.int32) % 2,
        np.arange(n, dtype=np.int32),
        np.arange(n) % 3 == 0,
    )
    return Scores(trials, np.array(score, dtype=float), llr)


# Bits, not values: -0.0 must not come back as 0.0.
def bits(values):
    return np.asarray(values, dtype=np.float64).view(np.int64).tolist()


any_number = st.floats(allow_nan=False, allow_infinity=True)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    pairs=st.lists(st.tuples(any_number, any_number), min_size=1, max_size=8), has_llr=st.booleans()
)
def test_scores_come_back_exactly(tmp_path_factory, pairs, has_llr):
    score, llr = zip(*pairs, strict=True)
    scores = scores_of(score, np.array(llr) if has_llr else None)
    path = tmp_path_factory.mktemp("scores") / "scores.csv"
    write_scores(path, scores)
    back = read_scores(path)
    assert bits(back.score) == bits(score)
    assert (bits(back.llr) == bits(llr)) if has_llr else (back.llr is None)
    assert triples(back.trials) == triples(scores.trials)


@pytest.mark.parametrize(
    "value", [0.1, 1 / 3, -0.0, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308,
              math.inf, -math.inf, 1e16, 9007199254740993.0],
)  # fmt: skip
def test_hard_numbers_come_back_exactly(tmp_path, value):
    write_scores(tmp_path / "scores.csv", scores_of([value]))
    assert bits(read_scores(tmp_path / "scores.csv").score) == bits([value])


def test_the_file_is_what_the_formats_say(tmp_path):
    path = tmp_path / "new" / "scores.csv"
    write_scores(path, scores_of([0.5, -np.inf], np.array([1.25, 2.0])))
    assert path.read_bytes().decode("utf-8") == (
        "model_id,test_id,label,score,llr\n"
        '"mödel, 1",t0,target,0.5,1.25\n'
        '"m""2",t1,nontarget,-inf,2.0\n'
    )


def test_scores_are_parted_by_label(write):
    rows = "m1,t1,target,2\nm1,t2,nontarget,-1\nm2,t1,target,3.5\n"
    scores = read_scores(write("scores.csv", f"{SCORES_HEADER}\n{rows}"))
    assert scores.target().tolist() == [2.0, 3.5]
    assert scores.nontarget().tolist() == [-1.0]
    assert scores.llr is None


def test_scores_of_other_programs_are_read(write):
    path = write(
        "scores.csv",
        "\ufeffscore,label,test_id,model_id\r\n+1e-3,target,t1,m1\r\n\r\nInf,nontarget,t2,m1\r\n",
    )
    scores = read_scores(path)
    assert scores.score.tolist() == [0.001, np.inf]
    assert triples(scores.trials) == [("m1", "t1", True), ("m1", "t2", False)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("m1,t1,target,nan", ":2: score is 'nan'; expected a number"),
        ("m1,t1,target,-NaN", ":2: score is '-NaN'; expected a number"),
        ("m1,t1,target,high", ":2: score is 'high'; expected a number"),
        ('m1,t1,target,"0,5"', ":2: score is '0,5'; expected a number"),
        ("m1,t1,target,", ":2: no value for score"),
        ("m1,t1,genuine,1", ":2: label is 'genuine'; expected 'target' or 'nontarget'"),
        ("m1,t1,target,1\nm1,t1,target,1", ":3: duplicate trial: m1, t1"),
        ("m1,t1,target,1\nm1,t1,nontarget,2", ":3: duplicate trial: m1, t1"),
        ("m1,t1,target", ":2: 3 cells; the header has 4 columns"),
    ],
)
def test_a_wrong_score_is_told_by_file_and_line(write, row, message):
    path = write("scores.csv", f"{SCORES_HEADER}\n{row}\n")
    with pytest.raises(ManifestError, match=re.escape(f"{path}{message}")):
        read_scores(path)


def test_a_slip_that_python_takes_for_a_number_is_no_score(write):
    path = write("scores.csv", f"{SCORES_HEADER}\nm1,t1,target,1_5\n")
    with pytest.raises(ManifestError, match="score is '1_5'; expected a number"):
        read_scores(path)


@pytest.mark.parametrize("llr", ["nan", "", "x"])
def test_an_llr_must_be_a_number_where_there_is_the_column(write, llr):
    path = write("scores.csv", f"{SCORES_HEADER},llr\nm1,t1,target,1,{llr}\n")
    with pytest.raises(ManifestError, match=f":2: llr is '{llr}'; expected a number"):
        read_scores(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"the file is empty; expected the header '{SCORES_HEADER}'"),
        (f"{SCORES_HEADER}\n", "the list is empty"),
        (f"{HEADER}\nm1,t1,target\n", "missing column 'score'"),
        (f"{SCORES_HEADER},lr\nm1,t1,target,1,1\n", "unknown column 'lr'; did you mean 'llr'?"),
    ],
)
def test_a_file_that_is_no_score_file(write, text, message):
    with pytest.raises(ManifestError, match=re.escape(message)):
        read_scores(write("scores.csv", text))


def test_all_problems_of_a_score_file_are_told_together(write):
    rows = "m1,t1,target,nan\nm1,t1,wrong,x\n" + "".join(
        f"m2,t{number},target,nan\n" for number in range(30)
    )
    path = write("scores.csv", f"{SCORES_HEADER}\n{rows}")
    with pytest.raises(ManifestError) as caught:
        read_scores(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "scores.csv cannot be used: 34 problems"
    assert len(lines) == 22
    assert lines[-1] == "  ... and 14 more"


def test_scores_that_cannot_be_written_say_where(tmp_path):
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "scores.csv"
    with pytest.raises(OutputError, match=re.escape(f"{path}: cannot be written")):
        write_scores(path, scores_of([1.0]))


# --- several lists of scores ---------------------------------------------------------------------

NUMBERS = st.integers(0, 2**32 - 1)


def random_scores(rng, n_models=4, n_tests=5, *, has_llr=False):
    """Scores of some of the pairs, in an order of chance."""
    pairs = rng.permutation([(m, t) for m in range(n_models) for t in range(n_tests)])
    pairs = pairs[: rng.integers(1, len(pairs) + 1)].astype(np.int32)
    trials = Trials(
        tuple(f"m{i}" for i in range(n_models)),
        tuple(f"t{i}" for i in range(n_tests)),
        pairs[:, 0],
        pairs[:, 1],
        pairs[:, 0] == pairs[:, 1],
    )
    llr = rng.normal(size=len(pairs)) if has_llr else None
    return Scores(trials, rng.normal(size=len(pairs)), llr)


def permuted(scores, rng):
    """Write the same list in another order, with ids numbered otherwise."""
    t = scores.trials
    models, tests = rng.permutation(len(t.model_ids)), rng.permutation(len(t.test_ids))
    order = rng.permutation(len(t))
    trials = Trials(
        tuple(t.model_ids[i] for i in models),
        tuple(t.test_ids[i] for i in tests),
        np.argsort(models)[t.model_index][order].astype(np.int32),
        np.argsort(tests)[t.test_index][order].astype(np.int32),
        t.is_target[order],
    )
    llr = None if scores.llr is None else scores.llr[order]
    return Scores(trials, scores.score[order], llr)


def by_pair(scores, values):
    keys = [(model, test) for model, test, _ in triples(scores.trials)]
    return dict(zip(keys, values.tolist(), strict=True))


@settings(derandomize=True, deadline=None, max_examples=100)
@given(NUMBERS, st.booleans())
def test_the_same_trials_in_another_order_are_aligned(seed, has_llr):
    rng = np.random.default_rng(seed)
    first = random_scores(rng)
    second = permuted(random_scores(np.random.default_rng(seed), has_llr=has_llr), rng)
    aligned = align_scores([first, second, first], ["a.csv", "b.csv", "c.csv"])
    assert aligned[0] is first
    assert all(scores.trials is first.trials for scores in aligned)
    assert by_pair(aligned[1], aligned[1].score) == by_pair(second, second.score)
    np.testing.assert_array_equal(aligned[2].score, first.score)
    if has_llr:
        assert by_pair(aligned[1], aligned[1].llr) == by_pair(second, second.llr)
    else:
        assert aligned[1].llr is None


def test_one_list_is_aligned_as_it_is():
    scores = scores_of([1.0, 2.0])
    assert align_scores([scores], ["a.csv"]) == [scores]


def test_ids_that_no_trial_names_do_not_matter():
    first = scores_of([1.0, 2.0, 3.0])
    t = first.trials
    more = Trials(
        ("nobody", *t.model_ids), (*t.test_ids, "unused"), t.model_index + 1, t.test_index,
        t.is_target,
    )  # fmt: skip
    aligned = align_scores([first, Scores(more, first.score)], ["a.csv", "b.csv"])
    np.testing.assert_array_equal(aligned[1].score, first.score)


def of_pairs(*pairs):
    """Scores 0, 1, 2, … of pairs (model, test), which are targets where the names are equal."""
    models = tuple(dict.fromkeys(model for model, _ in pairs))
    tests = tuple(dict.fromkeys(test for _, test in pairs))
    trials = Trials(
        models,
        tests,
        np.array([models.index(model) for model, _ in pairs], dtype=np.int32),
        np.array([tests.index(test) for _, test in pairs], dtype=np.int32),
        np.array([model == test for model, test in pairs]),
    )
    return Scores(trials, np.arange(len(pairs), dtype=float))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            (("a", "a"), ("c", "a"), ("a", "b"), ("c", "b")),
            "2 only in one.csv, such as b with a; 2 only in two.csv, such as c with a",
        ),
        ((("a", "a"), ("a", "b"), ("b", "a")), "1 only in one.csv, such as b with b"),
        (
            (("a", "a"), ("a", "b"), ("b", "a"), ("b", "b"), ("z", "y")),
            "1 only in two.csv, such as z with y",
        ),
        (
            (("a", "a"), ("a", "b"), ("b", "a"), ("b", "z")),
            "1 only in one.csv, such as b with b; 1 only in two.csv, such as b with z",
        ),
    ],
)
def test_trials_that_differ_are_counted_and_the_first_named(second, message):
    first = of_pairs(("a", "a"), ("a", "b"), ("b", "a"), ("b", "b"))
    expected = (
        f"one.csv and two.csv are not of the same trials: {message}; score the same list with both "
        "systems"
    )
    with pytest.raises(ManifestError) as caught:
        align_scores([first, of_pairs(*second)], ["one.csv", "two.csv"])
    assert str(caught.value) == expected


def test_the_list_that_differs_is_named_among_several():
    first = of_pairs(("a", "a"), ("a", "b"))
    with pytest.raises(ManifestError, match=r"^one and three are not of the same trials: 1 only"):
        align_scores([first, first, of_pairs(("a", "a"))], ["one", "two", "three"])


def test_many_trials_that_differ_are_counted():
    first = of_pairs(*((f"m{i}", "t") for i in range(1500)))
    with pytest.raises(ManifestError, match="1,499 only in one, such as m1 with t; score the"):
        align_scores([first, of_pairs(("m0", "t"))], ["one", "two"])


def test_labels_that_differ_are_refused():
    first = of_pairs(("a", "a"), ("a", "b"), ("b", "a"))
    t = first.trials
    other = Trials(t.model_ids, t.test_ids, t.model_index, t.test_index, ~t.is_target)
    message = (
        "two.csv: 3 of 3 trials have another label than in one.csv; expected the same trials: "
        "correct one of them"
    )
    with pytest.raises(ManifestError, match=re.escape(message)):
        align_scores([first, Scores(other, first.score)], ["one.csv", "two.csv"])


def test_pooled_scores_are_the_parts_one_after_the_other():
    clean, noisy = of_pairs(("a", "a"), ("a", "b")), of_pairs(("a", "b"), ("a", "c"), ("a", "a"))
    pooled = pool_scores({"clean": clean, "noise": noisy})
    assert triples(pooled.trials) == [
        ("a", "a (clean)", True), ("a", "b (clean)", False),
        ("a", "b (noise)", False), ("a", "c (noise)", False), ("a", "a (noise)", True),
    ]  # fmt: skip
    assert pooled.score.tolist() == [0.0, 1.0, 0.0, 1.0, 2.0]
    assert len(set(pooled.trials.test_ids)) == 5
    assert pooled.target().tolist() == [0.0, 2.0]


@settings(derandomize=True, deadline=None, max_examples=50)
@given(NUMBERS, st.integers(2, 4))
def test_pooling_keeps_every_trial(seed, n_parts):
    rng = np.random.default_rng(seed)
    parts = {f"c{i}": random_scores(rng) for i in range(n_parts)}
    pooled = pool_scores(parts)
    expected = [
        (model, f"{test} ({name})", target)
        for name, part in parts.items()
        for model, test, target in triples(part.trials)
    ]
    assert triples(pooled.trials) == expected
    assert pooled.score.tolist() == [s for part in parts.values() for s in part.score.tolist()]


def test_a_single_part_stays_as_it_is():
    scores = scores_of([1.0, 2.0], np.array([0.5, 0.25]))
    assert pool_scores({"clean": scores}) is scores


# --- speakers ------------------------------------------------------------------------------------


def test_speakers_are_what_the_target_trials_join():
    # ann has two models that share a test, bob one; nobody is joined with zoë's test.
    trials = all_against_all(
        {"m1": "ann", "m2": "bob", "m3": "ann"}, {"t1": "ann", "t2": "bob", "t3": "zoë"}
    )
    model, test, n_speakers = trial_speakers(trials)
    assert model[0] == model[2] == test[0]
    assert model[1] == test[1]
    assert len({model[0], model[1], test[2]}) == n_speakers == 3


def test_numbers_that_are_given_are_kept():
    # No target trial says so, but both models are of one speaker.
    trials = Trials(
        ("m1", "m2"),
        ("t1", "t2", "t3"),
        np.array([0, 1], dtype=np.int32),
        np.array([0, 1], dtype=np.int32),
        np.array([False, False]),
        np.array([0, 0]),
        np.array([1, 2, 0]),
    )
    model, test, n_speakers = trial_speakers(trials)
    assert (model.tolist(), test.tolist(), n_speakers) == ([0, 0], [1, 2, 0], 3)
    unnumbered = Trials(*(getattr(trials, name) for name in (
        "model_ids", "test_ids", "model_index", "test_index", "is_target"
    )))  # fmt: skip
    assert trial_speakers(unnumbered)[2] == 5
