"""Where everything meets: the life of one party, and all parties on one machine."""
