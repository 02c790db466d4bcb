"""What people and programs are shown during a run and after it: screen, log, metrics, report."""
