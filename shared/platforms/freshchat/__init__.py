"""Freshchat. A conversation is its id."""
