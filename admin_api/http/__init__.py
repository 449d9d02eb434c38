"""HTTP without a call: JSON, bodies, responses, problems, shapes all wings share."""
