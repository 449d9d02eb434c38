"""Letters on their way out: the client of the smarthost, and the job that hands letters over."""
