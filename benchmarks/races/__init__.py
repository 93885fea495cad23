"""The same five races on several session libraries: `python -m benchmarks.races`."""
