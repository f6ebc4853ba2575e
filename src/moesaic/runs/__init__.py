"""Runs: the loop that plans, executes, records and resumes."""

from moesaic.runs._cascade import cascade
from moesaic.runs._folder import RunFolder, is_cascade, open_folder, read_result, write_json
from moesaic.runs._hand_over import trained_network
from moesaic.runs._lifecycle import RunResult
from moesaic.runs._open import Run, open_run
from moesaic.runs._progress import Watcher
from moesaic.runs._rank import rank
from moesaic.runs._resume import resume
from moesaic.runs._search import search
from moesaic.runs._tabular import TabularRun, record_table, tabular_search
from moesaic.runs.campaign import campaign, describe_families, plan_campaign

__all__ = [
    "Run",
    "RunFolder",
    "RunResult",
    "TabularRun",
    "Watcher",
    "campaign",
    "cascade",
    "describe_families",
    "is_cascade",
    "open_folder",
    "open_run",
    "plan_campaign",
    "rank",
    "read_result",
    "record_table",
    "resume",
    "search",
    "tabular_search",
    "trained_network",
    "write_json",
]
