"""The codec inside other libraries; each module needs its own extra."""
