"""Freshdesk: automation rules that post our template. A conversation is a ticket's id."""
