"""Rules: what a signed command does to the state before it. Pure, standard library only."""
