"""Any platform at all: its hook is told where in deliveries our fields are, and how they are proven."""
