"""The parts of `make bench`, which benches/run.py puts together."""
