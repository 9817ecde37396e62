"""Record every allocation of a Python program with memray."""
