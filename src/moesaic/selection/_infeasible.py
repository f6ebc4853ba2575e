"""Why a choice is impossible, as an `InputError` that names the limit; it finds no choice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from moesaic.errors import InputError
from moesaic.selection._exact import solve
from moesaic.selection._problem import SLACK, Limits, Problem


def check_limits(problem: Problem) -> None:
    """Refuse what no choice can meet, where one look is enough to know."""
    limits, count = problem.limits, problem.experts
    served = np.isfinite(problem.cost)
    if not np.all(served.any(axis=0)):
        raise InputError(
            f"no allowed expert was measured on {int((~served.any(axis=0)).sum())} of the "
            "clusters: measure one there or give those clusters weight 0"
        )
    if (limits.min_share - SLACK) * count > 1.0:
        raise InputError(
            f"min_share {limits.min_share:g} for {count} experts adds up to more than 1: "
            f"give at most {1 / count:.3g}"
        )
    if limits.max_parameters is not None:
        forced = list(problem.forced)
        rest = np.delete(problem.parameters, forced)
        least = problem.parameters[forced].sum() + np.sort(rest)[: count - len(forced)].sum()
        if least > limits.max_parameters * (1.0 + SLACK):
            raise InputError(
                f"max_parameters {limits.max_parameters:g} is too low: "
                f"the {count} smallest allowed experts have {least:g}"
            )
    if limits.max_macs is not None:
        cheapest = np.where(served, problem.macs[:, None], np.inf).min(axis=0)
        least = float(problem.share @ cheapest)
        if least > limits.max_macs * (1.0 + SLACK):
            raise InputError(
                f"max_macs {limits.max_macs:g} is too low: "
                f"the cheapest allowed experts need {least:g} for one sample"
            )


def why_infeasible(problem: Problem) -> InputError:
    """Name the limits without which there would be a choice."""
    limits = problem.limits
    without = {
        "max_macs": replace(limits, max_macs=None),
        "max_parameters": replace(limits, max_parameters=None),
        "min_share": replace(limits, min_share=0.0),
    }
    active = [name for name in without if getattr(limits, name)]
    free = replace(problem, limits=Limits())
    if solve(free).plan is None:
        return InputError(
            f"no {problem.experts} experts together were measured on every cluster: "
            "ask for more experts or measure more of them everywhere"
        )
    guilty = [
        name for name in active if solve(replace(problem, limits=without[name])).plan is not None
    ]
    names = " or ".join(guilty) if guilty else " and ".join(active)
    return InputError(
        f"no {problem.experts} experts meet the limits together: loosen {names} "
        f"(given: {', '.join(f'{name}={getattr(limits, name):g}' for name in active)})"
    )
