"""What remembers how far a run has come. DBOS is imported here and nowhere else."""
