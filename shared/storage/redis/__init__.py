"""The store on Redis or Valkey: scripts in `lua/`, one for each atomic step."""
