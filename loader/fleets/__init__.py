"""Many portals at once, on as many machines as it takes; each portal's jobs are loads like any other."""
