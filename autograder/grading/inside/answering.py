"""Puts questions to a student's object and publishes what came of it. Judges nothing: whoever asks does that."""

import json
import sys
from importlib import import_module

import numpy as np

from autograder import probe, wire


def answer(expression, question):
    """Run the probe on what ``expression`` names in the notebook, one case after the other.

    ``question`` is JSON: the probe (the name of a ready-made one, or its source), the framework, what is expected (a
    function or a class), the inputs of the cases, and the faults after which no further case is worth asking.
    """
    from IPython import get_ipython

    shell = get_ipython()
    question = json.loads(question)
    try:
        candidate = eval(expression, shell.user_ns)
    except Exception as error:
        reply = {"missing": f"{type(error).__name__}: {probe.plain_text(error)}"}
    else:
        run, seen = probe_of(question), []
        with probe.noted_once():
            for inputs in question["cases"]:
                given = wire.unpack(inputs)
                seen.append(probe.observe(run, candidate, given, question["framework"], question["expects"]))
                if seen[-1].fault and seen[-1].fault.kind in question["hopeless"]:
                    break
        reply = {"observations": [wire.pack_observation(one) for one in seen]}
    shell.display_pub.publish({wire.MIME: json.dumps(reply)})


def practise():
    """Answer a question, so that the first answer in a notebook finds all that it takes imported."""
    asked = {
        "probe": "call",
        "source": None,
        "framework": "torch" if "torch" in sys.modules else "numpy",
        "expects": "function",
        "hopeless": [],
        "cases": [wire.pack({"x": np.ones((2, 2))})],
    }
    answer("abs", json.dumps(asked))


def calls(expression, question):
    """Run the probe again, and publish which of the library routines ``watched`` are called meanwhile, by any name."""
    from IPython import get_ipython

    shell, question, called = get_ipython(), json.loads(question), set()
    watched = {name: routine(name) for name in question["watched"]}

    def watch(frame, event, argument):
        seen = frame.f_code if event == "call" else argument if event == "c_call" else None
        called.update(name for name, one in watched.items() if one is seen is not None)

    candidate, run = eval(expression, shell.user_ns), probe_of(question)
    sys.setprofile(watch)
    try:
        for inputs in question["cases"]:
            given = wire.unpack(inputs)
            if probe.observe(run, candidate, given, question["framework"], question["expects"], seconds=2).fault:
                break
    finally:
        sys.setprofile(None)
    shell.display_pub.publish({wire.MIME: json.dumps({"called": sorted(called)})})


def routine(name):
    """What a call of a library's routine is known by: its code or, where it is not written in Python, the object."""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError):  # this version of the library lacks it
        return None
    if isinstance(found, type):
        found = found.forward
    return getattr(found, "__code__", found)


def probe_of(question):
    """The probe that is asked for. A chapter's own uses nothing but its arguments, ``np``, ``torch`` and ``probe``."""
    if question["source"] is None:
        return getattr(probe, question["probe"])
    names = {"np": np, "probe": probe, "__name__": "autograder.asked"}
    if "torch" in question["source"]:
        import torch

        names["torch"] = torch
    exec(compile(question["source"], probe.__file__, "exec"), names)
    return names[question["probe"]]
