"""The API over HTTP, of a service that runs as a deployment does. Its processes are there for this package only."""
