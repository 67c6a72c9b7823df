"""The report on digits; see `python -m benchmarks.digits --help`.

__main__.py  the command: which parts, where to
models.py    data by index, trainings
coding.py    sizes and distortion, ours and others'
knowing.py   classes and anomalies, from the latent
page.py      figures and text out of the results
"""
