"""The receiving edge, the long-running jobs and the wiring of the process."""
