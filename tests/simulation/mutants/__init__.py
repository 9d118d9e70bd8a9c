"""Planted bugs: each must be caught by the seeds. `make mutants` runs them all."""
