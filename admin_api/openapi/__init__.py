"""The document, made from the wings."""
