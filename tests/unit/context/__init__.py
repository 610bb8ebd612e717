"""The context: counting, clipping, the window, the memory block, and the promises of the whole."""
