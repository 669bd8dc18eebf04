"""Training: it learns, it resumes bit for bit after a kill, two processes do what one does, damage is said."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise

import pytest
import torch

from autograder.reference.transformer import Transformer
from translator import runs, training
from translator.bpe import Tokenizer
from translator.corpora import Corpus
from translator.decoding import translate
from translator.runs import BadRun, Config, Run
from translator.speed import InBfloat16
from translator.training import Trainer, learning_rate, train
from translator.vocabulary import PAD, UNK

WORDS = ["red", "blue", "green", "house", "car", "tree", "big", "small", "old", "new"]
CPU = torch.device("cpu")
SMALL = Config(
    corpus="copies", d_model=32, h=2, layers=1, d_ff=64, dropout=0.1, vocabulary=60, tokens=400, lr=5e-3, warmup=20,
    steps=60, evaluate_every=30, smoothing=0.0, average=0.9,
)  # fmt: skip


def copies(n=300, seed=0) -> Corpus:
    """Sentences to be copied."""
    dice = random.Random(seed)
    drawn = dict.fromkeys(" ".join(dice.choices(WORDS, k=dice.randint(2, 5))) for _ in range(3 * n))
    pairs = [(sentence, sentence) for sentence in list(drawn)[:n]]
    return Corpus("copies", "xx", "xx", pairs[40:], pairs[20:40], pairs[:20])


def trainer(config=SMALL, corpus=None, **more) -> Trainer:
    corpus = corpus or copies()
    tokenizer = Tokenizer.train([side for pair in corpus.train for side in pair], config.vocabulary)
    pairs = [(tokenizer.encode(x), tokenizer.encode(y)) for x, y in corpus.train]
    return Trainer(Run("nowhere"), config, tokenizer, "xx", pairs, [], CPU, **more)


@pytest.fixture
def exact(monkeypatch):
    """float32, whatever the processor could do."""
    monkeypatch.setattr(training, "precision", lambda device: torch.float32)


def test_a_model_trained_on_copies_copies(tmp_path, exact):
    config = Config(**{**vars(SMALL), "steps": 400, "evaluate_every": 200, "dropout": 0.0, "d_model": 64, "h": 4})
    run = train(tmp_path / "run", copies(1200), config, CPU)
    model, tokenizer = run.model(), run.tokenizer()
    tests = [x for x, _ in copies(1200).test]
    found = [tokenizer.decode(h.ids) for h in translate(model, [tokenizer.encode(x) for x in tests], width=2)]
    assert sum(map(str.__eq__, found, tests)) >= 18
    metrics = run.metrics()
    assert metrics[-1]["step"] == 400 and [line["valid_bleu"] for line in metrics if "valid_bleu" in line][-1] > 80
    assert run.about()["fingerprint"] == copies(1200).fingerprint()


def weights(run: Run, name="last"):
    return {key: tensor for key, tensor in run.kept(name)[0].items()}


def facts(run: Run):
    """What was noted, without what a clock had to do with."""
    clock = {"seconds", "wall_seconds", "tokens_per_second"}
    return [{key: value for key, value in line.items() if key not in clock} for line in run.metrics()]


SCRIPT = """
import sys, torch
sys.path.insert(0, {here!r})
from test_training import CPU, SMALL, copies
from translator.training import train
train({folder!r}, copies(), SMALL, CPU, resume=True, save_seconds=0)
"""


def test_a_run_killed_at_random_moments_ends_as_if_nothing_had_happened(tmp_path):
    """By SIGKILL, which nothing can prepare for, and by Ctrl-C."""
    whole = train(tmp_path / "whole", copies(), SMALL, CPU)
    script = SCRIPT.format(here=os.path.dirname(__file__), folder=str(tmp_path / "killed"))
    dice, kills = random.Random(0), 0
    metrics = tmp_path / "killed" / "metrics.jsonl"
    for _ in range(12):
        process = subprocess.Popen([sys.executable, "-c", script])
        if kills < 4:
            while process.poll() is None and not (tmp_path / "killed" / "last.safetensors").exists():
                time.sleep(0.01)
            time.sleep(dice.random() * 0.5)
        if kills < 4 and process.poll() is None:
            process.send_signal((signal.SIGKILL, signal.SIGINT)[kills % 2])
            kills += 1
        if process.wait() == 0:
            break
    assert process.returncode == 0 and kills >= 1
    killed = Run(tmp_path / "killed")
    for name in ("last", "best"):
        one, other = weights(whole, name), weights(killed, name)
        assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    assert facts(killed) == facts(whole) and metrics.exists()


def test_a_checkpoint_is_taken_up_at_any_step(tmp_path, exact):
    """Without a process: save, throw away, resume."""
    one = trainer()
    batches = list(training.islice(training.epochs(one.pairs, 400, 0), 12))
    for indices in batches:
        one.learn(indices)
    for stop in (1, 5, 11):
        first = trainer()
        first.run = Run(tmp_path / str(stop))
        first.run.folder.mkdir()
        for indices in batches[:stop]:
            first.learn(indices)
        first.save()
        second = trainer()
        second.run = first.run
        second.resume()
        for indices in batches[stop:]:
            second.learn(indices)
        for model in ("model", "averaged"):
            pairs = zip(getattr(one, model).parameters(), getattr(second, model).parameters(), strict=True)
            assert all(torch.equal(a, b) for a, b in pairs)


PROCESS = """
import sys, torch
sys.path.insert(0, {here!r})
import torch.distributed as dist
from dataclasses import replace
from test_training import CPU, SMALL, trainer
from autograder.reference.transformer import Transformer
from translator import runs, training
training.precision = lambda device: torch.float32
with training.processes(CPU):
    one = trainer(replace(SMALL, dropout=0.0, muon=True), rank=dist.get_rank(), world=dist.get_world_size())
    losses = []
    for indices in training.islice(training.epochs(one.pairs, 400, 0), 8):
        loss, tokens = one.learn(indices)
        losses.append(one.total(loss) / tokens)
    loss, tokens = one.learn([0])  # a batch of one sentence: the second process has no share
    losses.append(one.total(loss) / tokens)
    if dist.get_rank() == 0:
        torch.save([losses, one.model.state_dict()], {out!r})
"""


def test_two_processes_do_what_one_does_with_the_whole_batch(tmp_path, exact):
    config = Config(**{**vars(SMALL), "dropout": 0.0, "muon": True})
    one = trainer(config)
    losses = []
    for indices in [*training.islice(training.epochs(one.pairs, 400, 0), 8), [0]]:
        loss, tokens = one.learn(indices)
        losses.append(loss.item() / tokens)
    script = tmp_path / "process.py"
    script.write_text(PROCESS.format(here=os.path.dirname(__file__), out=str(tmp_path / "out.pt")))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-6000:]
    theirs, parameters = torch.load(tmp_path / "out.pt")
    assert theirs == pytest.approx(losses, rel=1e-4)
    x, lengths, y = one.batch(range(20))
    mine = one.model.eval()(x, lengths, y)
    one.model.load_state_dict(parameters)
    torch.testing.assert_close(one.model(x, lengths, y), mine, rtol=1e-3, atol=1e-3)


def test_the_loss_is_that_of_real_tokens_with_smoothing():
    torch.manual_seed(0)
    logits, y = torch.randn(2, 3, 7, dtype=torch.float64), torch.tensor([[4, 5, 2], [6, 2, PAD]])
    expected = 0.0
    for b, j in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]:
        log_p = logits[b, j].log_softmax(-1)
        target = torch.full((7,), 0.1 / 7, dtype=torch.float64)
        target[y[b, j]] += 0.9
        expected -= (target * log_p).sum().item()
    assert training.smoothed_loss(logits, y, 0.1).item() == pytest.approx(expected, rel=1e-5)


def test_in_bfloat16_training_takes_the_same_course(monkeypatch):
    config, losses = Config(**{**vars(SMALL), "dropout": 0.0}), {}
    for dtype in (torch.float32, torch.bfloat16):
        monkeypatch.setattr(training, "precision", lambda device, dtype=dtype: dtype)
        one = trainer(config)
        shares = [one.learn(indices) for indices in training.islice(training.epochs(one.pairs, 400, 0), 12)]
        losses[dtype] = [loss.item() / tokens for loss, tokens in shares]
        assert all(parameter.dtype == torch.float32 for parameter in one.model.parameters())
    assert losses[torch.bfloat16] == pytest.approx(losses[torch.float32], rel=0.01)
    assert losses[torch.float32][-1] < 0.9 * losses[torch.float32][0]


def test_others_code_computes_under_autocast(monkeypatch):
    """The reader's own functions may mix dtypes."""
    monkeypatch.setattr(training, "precision", lambda device: torch.bfloat16)
    assert trainer(prepare=lambda model: model).parallel.__class__ is Transformer
    assert trainer().parallel.__class__ is InBfloat16


def test_words_are_forgotten_but_not_where_sentences_begin_and_end(exact):
    one = trainer(Config(**{**vars(SMALL), "word_dropout": 0.25}))
    torch.manual_seed(0)
    tokens = torch.randint(0, 50, (200, 50))
    seen = one.forget(tokens)
    changed = seen != tokens
    assert (seen[changed] == UNK).all() and (tokens[changed] > UNK).all()
    assert changed.sum() / (tokens > UNK).sum() == pytest.approx(0.25, abs=0.02)
    assert trainer().forget(tokens) is tokens


def test_what_is_forgotten_depends_on_the_step_alone(exact):
    config = Config(**{**vars(SMALL), "word_dropout": 0.2, "dropout": 0.0})
    one, two, none = trainer(config), trainer(config), trainer(Config(**{**vars(config), "word_dropout": 0.0}))
    batch = range(30)
    losses = [float(one.learn(batch)[0]) for _ in range(2)]
    assert losses == [float(two.learn(batch)[0]) for _ in range(2)] and losses[0] != float(none.learn(batch)[0])


def test_a_run_of_an_older_version_is_read(tmp_path, exact):
    run = train(tmp_path / "run", copies(), Config(**{**vars(SMALL), "steps": 2}), CPU)
    kept = json.loads((run.folder / "config.json").read_text())
    del kept["word_dropout"]
    (run.folder / "config.json").write_text(json.dumps(kept))
    assert run.config().word_dropout == 0.0


def test_the_learning_rate_rises_and_falls():
    config = Config(corpus="x", steps=100, warmup=10)
    rates = [learning_rate(step, config) for step in range(101)]
    assert rates[0] == 0.1 and rates[9] == rates[10] == 1.0 and rates[100] == 0.0
    assert all(a < b for a, b in pairwise(rates[:10])) and all(a > b for a, b in pairwise(rates[10:]))


def test_early_stopping(tmp_path, exact, monkeypatch):
    scores = iter([5.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0])
    monkeypatch.setattr(training, "quality", lambda *_: type("Q", (), {"bleu": next(scores)}))
    config = Config(**{**vars(SMALL), "steps": 80, "evaluate_every": 10, "patience": 2})
    run = train(tmp_path / "run", copies(), config, CPU)
    assert [line["step"] for line in run.metrics() if "valid_bleu" in line] == [10, 20, 30]
    assert run.kept("best")[1].items() >= {"step": 10, "valid_bleu": 5.0}.items()


def test_a_valid_set_that_is_sorted_by_length_is_not_judged_by_its_beginning(tmp_path, exact, monkeypatch):
    """The curve reads sentences from all over it; the length normalisation is chosen on all of it."""
    monkeypatch.setattr(training, "VALID_SENTENCES", 10)
    judged, tuned = [], []
    loss, tune = Trainer.valid_loss, training.tune
    monkeypatch.setattr(Trainer, "valid_loss", lambda self, chosen: judged.append(chosen) or loss(self, chosen))
    monkeypatch.setattr(training, "tune", lambda *given: tuned.append(given[2]) or tune(*given))
    corpus = copies()
    by_length = sorted(corpus.valid, key=lambda pair: len(pair[0]))
    config = Config(**{**vars(SMALL), "steps": 2})
    train(tmp_path / "run", Corpus(**{**vars(corpus), "valid": by_length}), config, CPU)
    assert [text for _, _, text in judged[0]] == [y for _, y in by_length[1::2]]
    assert tuned == [by_length]


def test_a_folder_is_not_overwritten_and_not_mixed(tmp_path, exact):
    config = Config(**{**vars(SMALL), "steps": 4})
    run = train(tmp_path / "run", copies(), config, CPU)
    with pytest.raises(BadRun, match=r"There is a run in .* already: go on with --resume"):
        train(run.folder, copies(), config, CPU)
    with pytest.raises(BadRun, match="another lr"):
        train(run.folder, copies(), Config(**{**vars(config), "lr": 1.0}), CPU, resume=True)
    with pytest.raises(BadRun, match="other sentences of copies"):
        train(run.folder, copies(seed=1), config, CPU, resume=True)
    assert train(run.folder, copies(), config, CPU, resume=True).metrics() == run.metrics()  # nothing left to do


def test_damage_is_said(tmp_path, exact):
    run = train(tmp_path / "run", copies(), Config(**{**vars(SMALL), "steps": 2}), CPU)
    with pytest.raises(BadRun, match="There is no run in"):
        Run(tmp_path / "none").model()
    path = run.folder / "best.safetensors"
    good = path.read_bytes()
    for bad in (good[: len(good) // 2], b"", b"\x80\x04pickle"):
        path.write_bytes(bad)
        with pytest.raises(BadRun, match=r"best.safetensors is damaged"):
            run.model()
    path.write_bytes(good)
    kept = json.loads((run.folder / "config.json").read_text())
    for text, said in [("{", "not JSON"), (json.dumps({**kept, "d_model": 64}), "does not fit"), ("{}", "lacks")]:
        (run.folder / "config.json").write_text(text)
        with pytest.raises(BadRun, match=said):
            run.model()


def test_a_loss_that_is_no_number_stops_the_run(tmp_path, exact):
    with pytest.raises(BadRun, match="The loss is nan at step"):
        train(tmp_path / "run", copies(), Config(**{**vars(SMALL), "lr": 1e30, "clip": 1e30, "steps": 50}), CPU)


def test_the_schedule_can_be_given_in_minutes(tmp_path, exact):
    run = train(tmp_path / "run", copies(), SMALL, CPU, minutes=0.02)
    assert run.config().steps >= 10 and run.metrics()[-1]["step"] == run.config().steps


def test_minutes_become_steps_by_what_a_step_costs(exact, monkeypatch):
    """A tenth is left for looking at valid; what other programs take does not count."""
    now = [0.0]
    monkeypatch.setattr(training, "clock", lambda device: now[0])
    one = trainer()
    monkeypatch.setattr(one, "learn", lambda indices: now.__setitem__(0, now[0] + 0.5))
    assert training.steps_in(2.0, one) == 0.9 * 120 / 0.5


def test_seconds_on_a_cpu_are_those_of_work_shared_among_threads(monkeypatch):
    monkeypatch.setattr(time, "process_time", lambda: 12.0)
    monkeypatch.setattr(time, "perf_counter", lambda: 100.0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert training.clock(CPU) == 4.0 and training.clock(torch.device("cuda")) == 100.0


@pytest.mark.parametrize(
    ("device", "capability", "flags", "dtype"),
    [
        ("cuda", (7, 5), "", torch.float16),  # a T4
        ("cuda", (8, 0), "", torch.bfloat16),
        ("cuda", (9, 0), "", torch.bfloat16),
        ("cpu", "AVX512", "flags : avx512f avx512_bf16", torch.bfloat16),
        ("cpu", "AVX512", "flags : avx512f amx_bf16 amx_tile", torch.bfloat16),
        ("cpu", "AVX512", "flags : avx512f", torch.float32),
        ("cpu", "AVX2", "flags : avx2", torch.float32),
    ],
)
def test_precision_follows_the_hardware(monkeypatch, device, capability, flags, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(training.Path, "exists", lambda path: True)
    monkeypatch.setattr(training.Path, "read_text", lambda path: flags)
    assert training.precision(torch.device(device)) == dtype


def test_a_run_says_where_it_comes_from(monkeypatch):
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", runs.revision())
    assert re.search(r"\d+ cores", runs.processor())
    monkeypatch.setattr(runs.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(OSError))
    assert runs.revision() == "unknown"


def test_ctrl_c_waits_for_the_end_of_a_step_and_a_second_one_does_not():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    with training.interrupts_held() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # as before
        signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)
