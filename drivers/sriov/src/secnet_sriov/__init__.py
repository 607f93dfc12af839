"""Virtual functions and subfunctions of a network card."""
