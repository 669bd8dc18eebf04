"""The command line as a user meets it: train, then evaluate, translate, complete; lines in, lines out; clear errors."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest
import torch

from translator import __main__, corpora
from translator.curve import draw
from translator.runs import Run

SMALL = [
    "--steps",
    "150",
    "--evaluate-every",
    "75",
    "--lr",
    "0.005",
    "--vocabulary",
    "300",
    "--tokens",
    "800",
    "--warmup",
    "20",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two tiny runs on little of the synthetic corpus: one that translates, one that completes."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpora, "SYNTHETIC", {"train": (400, 1), "valid": (12, 2), "test": (12, 3)})
        tiny = {"d_model": 32, "h": 2, "layers": 1, "d_ff": 32, "dropout": 0.0}
        patch.setitem(__main__.PRESETS, "tiny", tiny)
        for task in ("translate", "complete"):
            arguments = ["--corpus", "synthetic-zh-en", "--out", str(folder / task), "--preset", "tiny", "--task", task]
            assert __main__.main(["train", *arguments, *SMALL, "--device", "cpu"]) == 0
        yield folder


def run(capsys, *arguments) -> tuple[int, str, str]:
    status = __main__.main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_runs_folder_holds_what_it_promises(trained):
    one = Run(trained / "translate")
    names = {path.name for path in one.folder.iterdir()}
    assert names == {
        "config.json", "tokenizer.json", "metrics.jsonl", "last.safetensors", "best.safetensors", "curve.svg",
        "decoding.json",
    }  # fmt: skip
    about = one.about()
    assert {
        "command",
        "revision",
        "device",
        "torch",
        "precision",
        "threads",
        "processes",
        "fingerprint",
    } <= about.keys()
    drawing = ElementTree.parse(one.folder / "curve.svg")
    lines = [part for part in drawing.iter() if part.get("id", "").startswith("line2d")]
    assert len(lines) >= 3  # loss, loss on valid, BLEU; and ticks
    last = one.metrics()[-1]
    assert last["step"] == 150 and last["valid_loss"] > 0 and last["valid_bleu"] >= 0
    trained_lines = [line for line in one.metrics() if "loss" in line]
    assert all(line["tokens_per_second"] > 0 and line["seconds"] > 0 for line in trained_lines)


def test_the_synthetic_corpus_has_a_preset_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(corpora, "SYNTHETIC", {"train": (40, 1), "valid": (4, 2), "test": (4, 3)})
    asked = []
    monkeypatch.setattr(__main__, "train", lambda folder, corpus, config, *_, **__: asked.append(config))
    command = ["train", "--corpus", "synthetic-zh-en", "--out", str(tmp_path), "--device", "cpu"]
    for more in ([], ["--steps", "7"], ["--preset", "tiny"]):
        assert __main__.main([*command, *more]) == 0
    own = __main__.PRESETS["synthetic"]
    assert all(getattr(asked[0], name) == value for name, value in own.items())
    assert asked[1] == replace(asked[0], steps=7)
    assert asked[2].d_ff == __main__.PRESETS["tiny"]["d_ff"] != own["d_ff"]
    monkeypatch.setattr(__main__, "precision", lambda device: torch.float16)  # as on a T4, where Muon is refused
    for more in ([], ["--muon"]):
        assert __main__.main([*command, *more]) == 0
    assert asked[3] == replace(asked[0], muon=False, lr=0.005) and asked[4].muon


def test_every_point_of_the_curve_is_in_the_picture(tmp_path):
    one = Run(tmp_path)
    for step in range(1, 5):
        one.note(step=step, loss=5 / step, seconds=60 * step)
        one.note(step=step, valid_loss=4 / step, valid_bleu=10 * step, seconds=60 * step)
    drawn = {}
    for axes in draw(one).axes:
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        for line in axes.lines:
            drawn[line.get_label().split(" (")[0]] = list(map(tuple, line.get_xydata().tolist()))
            assert all(left <= x <= right and low <= y <= high for x, y in line.get_xydata())
    assert drawn == {
        "loss while training": [(s, 5 / s) for s in range(1, 5)],
        "loss on valid": [(s, 4 / s) for s in range(1, 5)],
        "BLEU on valid": [(s, 10 * s) for s in range(1, 5)],
    }


def test_the_length_normalisation_is_the_best_on_valid_and_is_used(trained, capsys):
    one = Run(trained / "translate")
    kept = json.loads((one.folder / "decoding.json").read_text())
    scores = {float(alpha): bleu for alpha, bleu in kept["valid_bleu"].items()}
    assert len(scores) > 3 and scores[kept["alpha"]] == max(scores.values()) and one.alpha() == kept["alpha"]
    (one.folder / "decoding.json").write_text(json.dumps({**kept, "alpha": 1.4}))
    try:
        _, out, _ = run(capsys, "evaluate", "--run", one.folder, "--beam", 2)
        assert json.loads(out.splitlines()[-1])["alpha"] == 1.4
        _, out, _ = run(capsys, "evaluate", "--run", one.folder, "--beam", 2, "--alpha", 0.2)
        assert json.loads(out.splitlines()[-1])["alpha"] == 0.2
    finally:
        (one.folder / "decoding.json").write_text(json.dumps(kept))


def test_evaluate_ends_with_one_json_object(trained, capsys):
    status, out, _ = run(capsys, "evaluate", "--run", trained / "translate", "--beam", 2)
    found = json.loads(out.splitlines()[-1])
    assert status == 0 and found.keys() >= {"bleu", "chrf", "signature", "sentences", "seconds"}
    assert found["sentences"] == 12 and found["signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp")
    assert 0 <= found["bleu"] <= 100 and found["seconds"] > 0


def test_evaluate_takes_files_and_writes_translations(trained, capsys, tmp_path):
    (tmp_path / "x").write_text("我想吃汉堡。\n\n他\u2028走了\n", encoding="utf-8")
    (tmp_path / "y").write_text("I want to eat a hamburger.\r\nnothing\r\nHe left.\r\n", encoding="utf-8")
    files = ["--source", tmp_path / "x", "--reference", tmp_path / "y", "--output", tmp_path / "out"]
    status, out, _ = run(capsys, "evaluate", "--run", trained / "translate", *files)
    written = (tmp_path / "out").read_text(encoding="utf-8")
    assert status == 0 and json.loads(out.splitlines()[-1])["sentences"] == 3
    assert written.count("\n") == 3 and written.split("\n")[1] == ""
    _, out, _ = run(capsys, "evaluate", "--run", trained / "translate", "--source", tmp_path / "out", "--reference",
                    tmp_path / "out")  # fmt: skip
    assert json.loads(out.splitlines()[-1])["sentences"] == 3


@pytest.mark.parametrize(
    ("source", "reference", "said"),
    [
        (b"a\nb\n", b"a\n", "x has 2 lines and .*y 1"),
        (b"", b"", "there is nothing to translate"),
        (b"\xff\n", b"a\n", "can't be read as UTF-8"),
        (None, b"a\n", "can't be read"),
    ],
)
def test_files_that_do_not_fit_are_named(trained, capsys, tmp_path, source, reference, said):
    if source is not None:
        (tmp_path / "x").write_bytes(source)
    (tmp_path / "y").write_bytes(reference)
    files = ["--source", tmp_path / "x", "--reference", tmp_path / "y"]
    status, _, error = run(capsys, "evaluate", "--run", trained / "translate", *files)
    assert status == 1 and error.count("\n") == 1
    assert re.search(said, error)


def test_lines_in_lines_out(trained):
    """As a program in a pipe; more lines than are translated at once, an empty one among them."""
    lines = ["我想吃汉堡", "", "她读书"] * 30
    command = [sys.executable, "-m", "translator", "translate", "--run", str(trained / "translate"), "--beam", "1"]
    done = subprocess.run(command, input="\n".join(lines).encode(), capture_output=True)
    out = done.stdout.decode().split("\n")
    assert done.returncode == 0 and len(out) == len(lines) + 1 and out[-1] == ""
    assert all(text == out[i % 3] for i, text in enumerate(out[:-1]))  # the same sentence, the same translation
    assert out[1] == "" and out[0]


def test_runs_translate_together(trained, capsys, tmp_path):
    """A run twice is that run; alpha is the mean of theirs; runs of other vocabularies are refused."""
    shutil.copytree(trained / "translate", tmp_path / "again")
    kept = json.loads((tmp_path / "again" / "decoding.json").read_text())
    (tmp_path / "again" / "decoding.json").write_text(json.dumps({**kept, "alpha": kept["alpha"] + 0.2}))
    written = []
    for runs in ([trained / "translate"], [trained / "translate", tmp_path / "again"]):
        _, out, _ = run(capsys, "evaluate", "--run", *runs, "--alpha", 1, "--output", tmp_path / "out")
        written.append((tmp_path / "out").read_text(encoding="utf-8"))
    assert written[0] == written[1]
    _, out, _ = run(capsys, "evaluate", "--run", trained / "translate", tmp_path / "again")
    assert json.loads(out.splitlines()[-1])["alpha"] == pytest.approx(kept["alpha"] + 0.1)
    tokenizer = json.loads((tmp_path / "again" / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["characters"].pop()
    (tmp_path / "again" / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    status, _, error = run(capsys, "evaluate", "--run", trained / "translate", tmp_path / "again")
    assert status == 1 and "again has another vocabulary than" in error


def test_complete_prints_probabilities_and_sentences(trained, capsys):
    status, out, _ = run(capsys, "complete", "--run", trained / "complete", "--prefix", "I want", "--count", 4)
    found = [line.split("\t") for line in out.splitlines()]
    assert status == 0 and len(found) == 4
    assert all(sentence.startswith("I want") and 0 <= float(p) <= 1 for p, sentence in found)
    assert [float(p) for p, _ in found] == sorted((float(p) for p, _ in found), reverse=True)
    status, _, error = run(capsys, "complete", "--run", trained / "complete", "--prefix", " ")
    assert status == 1 and "give at least one word" in error


def test_a_run_is_used_for_what_it_was_trained_for(trained, capsys):
    status, _, error = run(capsys, "complete", "--run", trained / "translate", "--prefix", "I")
    assert status == 1 and "translates, so that only evaluate and translate can use it" in error
    for command in ("evaluate", "translate"):
        status, _, error = run(capsys, command, "--run", trained / "complete")
        assert status == 1 and "completes sentences, so that only complete can use it" in error


def test_what_is_missing_is_said(trained, capsys, tmp_path):
    for arguments, said in [
        (["translate", "--run", tmp_path], "There is no run in"),
        (
            ["evaluate", "--run", trained / "translate", "--source", tmp_path / "x"],
            "Give both --source and --reference",
        ),
        (["train", "--corpus", "none", "--out", tmp_path / "new"], "There is no corpus 'none'"),
        (["train", "--corpus", "synthetic-zh-en", "--preset", "tiny", "--out", trained / "translate"], "--resume"),
    ]:
        status, _, error = run(capsys, *arguments)
        assert status == 1 and said in error
    assert not (tmp_path / "new").exists()


def test_progress_tells_speed_loss_and_time_left(capsys):
    __main__.show({"step": 50, "steps": 200, "loss": 3.25, "tokens_per_second": 1234.5, "wall_seconds": 61.0,
                   "wall_seconds_left": 183.0})  # fmt: skip
    assert "█████···············" in (said := capsys.readouterr().out) and said.endswith(" ")
    for part in ("50/200", "loss 3.250", "1,234 tokens/s", "1:01 gone", "3:03 to go"):
        assert part in said
