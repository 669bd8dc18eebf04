"""Puts questions to a student's object and publishes what came of it. Judges nothing: whoever asks does that."""

import json

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
        for inputs in question["cases"]:
            given = wire.unpack(inputs)
            seen.append(probe.observe(run, candidate, given, question["framework"], question["expects"]))
            if seen[-1].fault and seen[-1].fault.kind in question["hopeless"]:
                break
        reply = {"observations": [wire.pack_observation(one) for one in seen]}
    shell.display_pub.publish({wire.MIME: json.dumps(reply)})


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
