"""Lists that are written and read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speakergmm.corpora import Utterance, read_split, read_utterances
from speakergmm.corpora.lists import Lists, protocol_of, write_lists, write_utterances
from speakergmm.errors import ManifestError, OutputError

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")),
                min_size=1, max_size=8)  # fmt: skip


@given(
    st.lists(
        st.builds(
            Utterance,
            NAMES,
            NAMES,
            st.just(Path("audio/a b.wav")),
            st.none() | st.floats(0, 10).map(lambda x: round(x, 4)),
            st.none() | st.floats(11, 1e6).map(lambda x: round(x, 4)),
            st.just("") | NAMES,
            st.sampled_from(["", "f", "m"]),
            st.sampled_from(["", "background"]),
            st.none() | st.just(((0.25, 1.5), (2.0, 3.125))),
            st.just("") | NAMES,
            st.none() | st.integers(0, 9),
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda utterance: utterance.utterance_id,
    )
)
def test_utterances_come_back_as_they_were(tmp_path_factory, listed):
    path = tmp_path_factory.mktemp("lists") / "utterances.csv"
    write_utterances(path, listed)
    read = read_utterances(path, "", must_exist=False)
    assert list(read.values()) == listed


def test_lists_come_back_as_they_were(write, tmp_path):
    names = {"a1": "ann", "a2": "ann", "a3": "ann", "b1": "bob", "b2": "bob"}
    for name in names:
        write(f"corpus/{name}.wav")
    utterances = {
        name: Utterance(name, speaker, Path(f"{name}.wav"), split="evaluation")
        for name, speaker in names.items()
    }
    protocol = protocol_of(
        {"ann": ("a1", "a2"), "bob": ("b1",)}, {"t1": ("a3",), "t2": ("b2",)}, utterances
    )
    write_lists(tmp_path / "lists", Lists(utterances, {"evaluation": protocol}), {"by": "test"})
    read = read_utterances(tmp_path / "lists" / "utterances.csv", tmp_path / "corpus")
    back = read_split(tmp_path / "lists", "evaluation", read)
    assert (back.enrollment, back.tests) == (protocol.enrollment, protocol.tests)
    assert back.trials.model_ids == ("ann", "bob")
    np.testing.assert_array_equal(back.trials.is_target, [True, False, False, True])
    header = (tmp_path / "lists/utterances.csv").read_text().splitlines()[0]
    assert header == "utterance_id,speaker_id,path,split"


def test_older_lists_of_a_split_go_and_nothing_else(tmp_path):
    utterances = {
        name: Utterance(name, name[0], Path(f"{name}.wav"), split="evaluation")
        for name in ("a1", "a2", "b1", "b2")
    }
    paired = protocol_of({"a": ("a1",), "b": ("b1",)}, {"t": ("a2",), "u": ("b2",)}, utterances)
    write_lists(tmp_path, Lists(utterances, {"evaluation": paired}), {})
    (tmp_path / "evaluation/a1.wav").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/trials.csv").touch()
    # Where classes are told apart there are tests alone.
    classes = replace(paired, enrollment={})
    write_lists(tmp_path, Lists(utterances, {"evaluation": classes}), {})
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")) == [
        "evaluation/a1.wav", "evaluation/tests.csv", "lists.json", "other/trials.csv",
        "utterances.csv",
    ]  # fmt: skip


@pytest.fixture
def lists():
    names = {"a1": "ann", "a2": "ann", "b1": "bob", "b2": "bob"}
    utterances = {name: Utterance(name, names[name], Path(f"{name}.wav")) for name in names}
    pools = {"ann": ("a1",), "bob": ("b1",)}, {"a": ("a2",), "b": ("b2",)}
    protocol = protocol_of(*pools, utterances)
    return Lists(utterances, {"development": protocol, "evaluation": protocol})


def files_of(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_what_made_the_lists_is_said_beside_them(lists, tmp_path):
    write_lists(tmp_path, lists, {"corpus": "x", "seed": 3})
    mark = json.loads((tmp_path / "lists.json").read_text())
    assert mark["made_by"] == {"corpus": "x", "seed": 3}
    assert sorted([*mark["files"], "lists.json"]) == files_of(tmp_path)


def test_lists_of_an_earlier_time_go_and_nothing_else(lists, tmp_path):
    write_lists(tmp_path, lists, {})
    (tmp_path / "development" / "notes.csv").write_text("mine")
    write_lists(tmp_path, Lists(lists.utterances, {"final": lists.protocols["evaluation"]}), {})
    assert files_of(tmp_path) == [
        "development/notes.csv", "final/enrollment.csv", "final/tests.csv", "final/trials.csv",
        "lists.json", "utterances.csv",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["utterances.csv", "evaluation/trials.csv"])
def test_lists_of_others_are_not_written_over(lists, tmp_path, name):
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    place.write_text("precious")
    with pytest.raises(OutputError, match=f"{name}: exists, and was not made by `corpus prepare`"):
        write_lists(tmp_path, lists, {})
    assert files_of(tmp_path) == [name]
    assert place.read_text() == "precious"


@pytest.mark.parametrize(
    "files", [["../precious"], ["/precious"], ["precious"], [5], None, ["a/b/tests.csv"]]
)
def test_a_mark_that_was_changed_removes_nothing_else(lists, tmp_path, files):
    (tmp_path / "precious").write_text("mine")
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "lists.json").write_text(json.dumps({"format": "speakergmm-lists", "files": files}))
    write_lists(folder, lists, {})
    assert (tmp_path / "precious").read_text() == "mine"


@pytest.mark.parametrize("name", [" a", "a ", "a\nb", "a\rb"])
def test_names_that_no_list_can_hold_are_refused(lists, tmp_path, name):
    changed = dict(lists.utterances) | {"x": Utterance("x", "ann", Path(name))}
    with pytest.raises(ManifestError, match="begins or ends with a blank, or has a line break"):
        write_lists(tmp_path, Lists(changed, lists.protocols), {})
    assert files_of(tmp_path) == []


def test_a_name_that_is_no_text_is_told(lists, tmp_path):
    changed = dict(lists.utterances) | {"x": Utterance("x", "ann", Path("caf\udce9.wav"))}
    with pytest.raises(ManifestError, match="is not text in UTF-8, which lists are; rename it"):
        write_lists(tmp_path, Lists(changed, lists.protocols), {})
