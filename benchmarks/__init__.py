"""The timing harness: named cases, run beside a reference program and another revision; see docs/benchmarks.md."""
