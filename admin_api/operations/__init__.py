"""Operations: health, metrics, the docs page; no tenant's data."""
