"""The timing harness: named cases, run beside a reference program and another revision.

docs/reference/benchmarks.md is its page.
"""
