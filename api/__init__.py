"""The Flask shell: authenticate, validate, accept, read, stream. Imports neither `worker` nor the Claude SDK."""
