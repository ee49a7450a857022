"""Speed and memory, measured on the local cloud: `make bench`, or `python -m benchmarks --help`; docs/performance.md."""
