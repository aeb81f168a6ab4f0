"""The work being done: planning a run, handing out its items, archiving one course."""
