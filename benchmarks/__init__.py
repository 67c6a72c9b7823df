"""``python -m benchmarks`` is aebench; results are kept beside this."""
