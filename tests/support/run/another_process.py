"""What an executor's worker does. It imports no test's toys: the job says which plugin files to load."""

from __future__ import annotations

import pickle

from vlmbench.run.job import Job
from vlmbench.run.listener import NotesAsWarnings
from vlmbench.run.pair import answer_job
from vlmbench.run.process_state import ProcessState


def answer_pickled(pickled: bytes) -> bytes:
    """A pickled job to its pickled answer, with the job and nothing else."""
    job: Job = pickle.loads(pickled)
    state = ProcessState.of_new_process(job.settings, NotesAsWarnings())
    answer = answer_job(job, state)
    state.finish()
    return pickle.dumps(answer)
