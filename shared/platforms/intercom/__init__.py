"""Intercom: notifications of a developer app. A conversation is its id."""
