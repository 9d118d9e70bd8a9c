"""The benchmark: whole processes against cheap vendors on loopback, beside three peers."""
