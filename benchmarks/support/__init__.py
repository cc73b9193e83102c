"""What the quick forms of benchmarks stand on."""
