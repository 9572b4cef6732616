"""One file per fault: each has its `ROUNDS`, and `run(trial)`, which returns a `Report`."""
