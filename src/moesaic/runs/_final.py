"""The final stage: the variants, trained for every repeat, and the test, read once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moesaic.bank import Observation, Trial
from moesaic.runs._plan import trial_to_dict
from moesaic.runs._session import SearchSession
from moesaic.runs._variants import Design, variants
from moesaic.runs._work import run_test

Final = dict[str, dict[int, list[Observation]]]


def run_final(session: SearchSession, design: Design) -> Final:
    """Train every variant for every repeat.

    Returns:
        name of the variant -> repeat -> its observations (K for the ensemble, else one); repeats
        in which a variant failed are left out of it.
    """
    planned = [variants(design, repeat) for repeat in range(session.config.repeats)]
    everything = [trial for repeat in planned for members in repeat.values() for trial in members]
    # the longest first, so that no worker ends alone with them
    ordered = sorted(everything, key=lambda trial: -int(trial.recipe["epochs"]))
    session.perform("final trainings", ordered)
    final: Final = {}
    for repeat, named in enumerate(planned):
        for name, members in named.items():
            done = [trial for trial in members if session.bank.status(trial.key) == "done"]
            if len(done) == len(members):
                observations = [session.bank.observation(trial.key) for trial in members]
                final.setdefault(name, {})[repeat] = observations
    return final


def read_test(session: SearchSession, final: Final) -> dict[str, dict[str, Any]]:
    """Measure every final trial on the test split, once; a resumed run reads the answers back.

    Returns:
        trial key -> accuracy, macs and routing on the test split.
    """
    known: dict[str, dict[str, Any]] | None = session.bank.meta("test")
    if known is not None:
        return known
    trials: dict[str, Trial] = {
        observation.trial.key: observation.trial
        for repeats in final.values()
        for members in repeats.values()
        for observation in members
    }
    words = [
        {"path": str(session.folder.path), "payload": trial_to_dict(trial)}
        for trial in trials.values()
    ]
    function: Callable[..., dict[str, Any]] = run_test
    needs = [session.test_needs(trial) for trial in trials.values()]
    answers = session.call("final measurement", function, words, needs)
    found = dict(zip(trials, answers, strict=True))
    session.bank.set_meta("test", found)
    return found
