"""What people and programs are shown while a run is at work, and after it: screen, log, metrics, report."""
