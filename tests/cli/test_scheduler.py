"""The same commands on a Dask cluster: the same bytes, and one line where there is none."""

from __future__ import annotations

import pytest

distributed = pytest.importorskip("distributed")

pytestmark = [
    pytest.mark.usefixtures("leaves_nothing_half_written"),
    # Dask's own, of its dashboard and of connections that end.
    pytest.mark.filterwarnings("ignore::UserWarning:distributed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def scheduler():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


def test_a_recipe_gives_the_same_bytes(cli, scheduler, small_recipe, small_corpus, tmp_path):
    command = ["recipe", "run", small_recipe, "--corpus", small_corpus, "--quiet"]
    here = cli(*command, "--output", tmp_path / "here", "--jobs", 2)
    there = cli(*command, "--output", tmp_path / "there", "--scheduler", scheduler)
    assert (here.status, there.status) == (0, 0), there.err
    for name in (
        "features/shard-00000.npy",
        "ubm.safetensors",
        "evaluation/enrollment.safetensors",
        "scores.csv",
    ):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    assert f"cluster at {scheduler}" in (tmp_path / "there" / "provenance.json").read_text()


def test_paths_may_be_relative(cli, scheduler, small_corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(small_corpus)
    frames = tmp_path / "frames"
    answer = cli("features", "extract", "utterances.csv", "--output", frames, "--split",
                 "background", "--scheduler", scheduler, "--quiet")  # fmt: skip
    assert answer.status == 0, answer.err
    monkeypatch.chdir(tmp_path)
    answer = cli("ubm", "train", "frames", "--output", "ubm.safetensors", "--components", 4,
                 "--scheduler", scheduler, "--quiet")  # fmt: skip
    assert answer.status == 0, answer.err


def test_what_is_wrong_with_a_recording_is_said_as_always(cli, scheduler, tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "list.csv").write_text("utterance_id,speaker_id,path\nu1,s1,empty.wav\n")
    command = ["features", "extract", tmp_path / "list.csv", "--output", tmp_path / "f", "--quiet"]
    here, there = cli(*command), cli(*command, "--scheduler", scheduler)
    assert here.status == there.status == 1
    assert here.err == there.err


def test_a_cluster_needs_a_folder_for_the_frames(cli, scheduler, small_corpus, tmp_path):
    answer = cli("ubm", "train", small_corpus / "utterances.csv", "--output", tmp_path / "ubm",
                 "--scheduler", scheduler)  # fmt: skip
    assert answer.status == 1
    assert answer.err.startswith("error: a cluster's machines share frames through a folder")
    assert "--frames FOLDER" in answer.err


def test_jobs_and_scheduler_exclude_each_other(cli, small_corpus, tmp_path):
    answer = cli("ubm", "train", small_corpus / "utterances.csv", "--output", tmp_path / "ubm",
                 "--scheduler", "tcp://127.0.0.1:1", "--jobs", 2)  # fmt: skip
    assert answer.status == 2
    assert "give one of them" in answer.err


def test_no_scheduler_there(cli, small_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("speakergmm.parallel.cluster.CONNECT_S", 0.5)
    answer = cli("features", "extract", small_corpus / "utterances.csv", "--output",
                 tmp_path / "frames", "--scheduler", "tcp://127.0.0.1:1")  # fmt: skip
    assert answer.status == 1
    assert answer.err.startswith("error: tcp://127.0.0.1:1: no Dask scheduler can be reached there")
    assert answer.err.count("\n") == 1
    assert not (tmp_path / "frames").exists()
