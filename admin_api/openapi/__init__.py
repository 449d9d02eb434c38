"""The OpenAPI document, made from the route table and the shapes of the wings."""
