"""One of our own functions as the source of an answer cell that needs nothing of ours: a wrong answer to hand in."""

import base64
import sys

import cloudpickle


def as_answer(name, candidate):
    """Source that defines ``name`` as the function or class ``candidate``, with all of ours that it uses in it."""
    for module in [*sys.modules]:
        if module.startswith(("autograder.catalogue", "autograder.reference", "autograder.exercise")):
            cloudpickle.register_pickle_by_value(sys.modules[module])
    content = base64.b64encode(cloudpickle.dumps(candidate)).decode()
    return f"import base64, cloudpickle\n\n{name} = cloudpickle.loads(base64.b64decode({content!r}))"
