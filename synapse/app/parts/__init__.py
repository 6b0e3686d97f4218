"""The parts of a server: each makes a group of objects out of what earlier parts hand on."""
