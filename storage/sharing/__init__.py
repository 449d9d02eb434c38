"""Cards offered, asked for, handed over."""
