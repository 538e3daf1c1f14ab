"""The Spark engine: the same plan and the same kernels, inside Arrow functions of a cluster.

Nothing here is imported unless a job asks for `--engine spark`; `buckets` and `transit` run on the
executors too.
"""
