"""HTTP without a call: JSON, bodies, responses, problem documents, shared shapes."""
