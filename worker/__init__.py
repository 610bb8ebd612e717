"""The Celery shell: thin tasks, the beat schedule, the composition root. Imports neither `api` nor Flask."""
