"""What earlier turns are compared by, how they are kept, and which of them are found."""
